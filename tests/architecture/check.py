"""Compares the tree with the architecture written in rooms.txt. Prints one line a violation; exit 1 if there is any.

usage: check.py SOURCE_DIR
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
ROOM_CALL = re.compile(r"drystill_room\(\s*(\w+)(.*?)\)\s*$", re.MULTILINE | re.DOTALL)
# Put together here, so that this file does not match itself.
MACHINE_PATH = re.compile(rb"(?<![\w.$}>])/(?:" + b"|".join([b"root", b"work", rb"home/(?!<)\w+"]) + rb")/[\w.]")
CODE_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
HEADER_SUFFIXES = {".h", ".cuh"}
LIBTORCH_PREFIXES = ("torch/", "ATen/", "c10/", "caffe2/")


class Rules:
    """rooms.txt, parsed."""

    def __init__(self, text):
        self.rooms, self.narrow, self.light, self.public, self.allow, self.forbid = {}, {}, [], [], [], {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            kind, _, rest = line.partition(" ")
            name, _, value = (part.strip() for part in rest.partition(" :" if " :" in rest else ":"))
            if kind == "room":
                self.rooms[name] = value.split()
            elif kind == "narrow":
                self.narrow[name] = value.split()
            elif kind == "light":
                self.light.append(name)
            elif kind == "public":
                self.public.append(name)
            elif kind == "allow":
                self.allow.append((name, value.split()))
            elif kind == "forbid":
                self.forbid[name] = value
            else:
                raise SystemExit(f"rooms.txt:{number}: expected room, narrow, light, public, allow or forbid, got '{kind}'")
        for room, uses in self.rooms.items():
            for used in uses:
                if used not in self.rooms:
                    raise SystemExit(f"rooms.txt: room '{room}' may use '{used}', which is no room")
        order = list(self.rooms)
        for room, uses in self.rooms.items():
            for used in uses:
                if order.index(used) >= order.index(room):
                    raise SystemExit(f"rooms.txt: room '{room}' may use '{used}', which does not stand above it")


class Tree:
    """The tracked files of a source tree; every file where it is no git checkout."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True
        )
        if listing.returncode == 0 and (self.root / ".git").exists():
            names = listing.stdout.decode().split("\0")
        else:
            names = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        skipped = re.compile(r"(^|/)(build[^/]*|runs|\.git|\.cache)/")
        self.files = sorted(n for n in names if n and not skipped.search(n) and (self.root / n).is_file())
        self.texts = {n: (self.root / n).read_bytes() for n in self.files}
        self.includes = {
            n: [(text.count("\n", 0, m.start(2)) + 1, m[1], m[2]) for m in INCLUDE.finditer(text)]
            for n in self.files
            if pathlib.PurePath(n).suffix in CODE_SUFFIXES
            for text in [self.texts[n].decode(errors="replace")]
        }


def room_of(name, rules):
    room = name.split("/")[0]
    return room if room in rules.rooms and "/" in name else None


def is_standard(header):
    return re.fullmatch(r"[a-z0-9_]+", header) is not None


def check_include(name, quote, header, rules, tree):
    """The violations of one #include of the file `name`."""
    if header in rules.forbid:
        yield f"<{header}> is forbidden: {rules.forbid[header]}"
    room = room_of(name, rules)
    if room is None:
        return
    target = room_of(header, rules)
    if quote == '"':
        if target is None:
            yield f'"{header}" must be written from the root, as "<room>/...": only our own headers stand in quotes'
        elif header not in tree.includes:
            yield f'"{header}" does not exist'
        elif target != room and target not in rules.rooms[room]:
            yield f"room '{room}' may not include \"{header}\"; it may use: {', '.join(rules.rooms[room]) or 'no room'}"
        elif target != room and room in rules.narrow:
            patterns = rules.narrow[room]
            if not any(fnmatch.fnmatchcase(header, pattern) for pattern in patterns):
                yield f"room '{room}' may not include \"{header}\"; of other rooms it may use only {', '.join(patterns)}"
        return
    if target is not None and header in tree.includes:
        yield f'our own header <{header}> must stand in quotes: "{header}"'
    in_header = pathlib.PurePath(name).suffix in HEADER_SUFFIXES and room not in ("tests", "bench")
    allowed = [h for pattern, headers in rules.allow if fnmatch.fnmatchcase(name, pattern) for h in headers]
    if in_header and not is_standard(header) and not header.startswith(tuple(rules.public)) and header not in allowed:
        yield f"<{header}> in a header: third-party libraries are private to the .cpp files"


def path_to_libtorch(name, tree, seen):
    """The chain of includes from `name` to a LibTorch header, or None."""
    seen.add(name)
    for _, quote, header in tree.includes[name]:
        if header.startswith(LIBTORCH_PREFIXES):
            return [name, f"<{header}>"]
        if quote == '"' and header in tree.includes and header not in seen:
            chain = path_to_libtorch(header, tree, seen)
            if chain:
                return [name, *chain]
    return None


def violations(root, rules):
    tree = Tree(root)
    for name, includes in tree.includes.items():
        for line, quote, header in includes:
            for message in check_include(name, quote, header, rules, tree):
                yield f"{name}:{line}: {message}"
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in rules.light):
            chain = path_to_libtorch(name, tree, set())
            if chain:
                yield f"{name}: must stay free of LibTorch, but reaches it: {' -> '.join(chain[1:])}"
    for name in tree.files:
        text = tree.texts[name]
        match = MACHINE_PATH.search(text)
        if match:
            line = text.count(b"\n", 0, match.start()) + 1
            yield f"{name}:{line}: a path of one machine: {match[0].decode()}..."
        if name.endswith("/CMakeLists.txt"):
            for room, arguments in ROOM_CALL.findall(text.decode()):
                uses = re.search(r"\bUSES\b((?:\s+[a-z_]+)+)", arguments)
                for used in uses[1].split() if uses else []:
                    if used not in rules.rooms.get(room, []):
                        yield f"{name}: room '{room}' may not use room '{used}'"


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rules = Rules((pathlib.Path(__file__).parent / "rooms.txt").read_text())
    found = list(violations(sys.argv[1], rules))
    print("\n".join(found) if found else "The tree agrees with tests/architecture/rooms.txt.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
