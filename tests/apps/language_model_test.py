"""drystill score and generate: log-probabilities of `transformers` for every golden family, and clear errors."""
import json
import math
import pathlib
import struct
import tempfile

from tiny_language_world import WORDS, write_model
from tiny_world import drystill

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "language"
FAMILIES = ["gpt2", "llama", "llama3", "llama_linear", "llama_untied", "mistral", "qwen2", "qwen3"]

failures = []


def check(name, condition, detail=""):
    if not condition:
        failures.append(f"{name}: {detail}")


def read_tensor(path, name):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    code = {"F32": "f", "I64": "q"}[entry["dtype"]]
    return struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", data[begin:end]), entry["shape"]


def log_softmax(row, index):
    top = max(row)
    return row[index] - top - math.log(sum(math.exp(value - top) for value in row))


def check_scores(family, folder):
    ids, (rows, width) = read_tensor(GOLDEN / family / "expected.safetensors", "ids")
    logits, (_, _, vocabulary) = read_tensor(GOLDEN / family / "expected.safetensors", "logits")
    file = folder / f"{family}.jsonl"
    file.write_text("".join(json.dumps({"ids": ids[r * width:(r + 1) * width]}) + "\n" for r in range(rows)))
    for dtype, tolerance in (("float32", 1e-4), ("bfloat16", 0.1)):
        result = drystill("score", GOLDEN / family, "--ids", file, "--json", "--dtype", dtype)
        check(f"score {family}", result.returncode == 0, result.stderr)
        for r, line in enumerate(result.stdout.splitlines()):
            answer = json.loads(line)
            for t, value in enumerate(answer["log_probabilities"]):
                at = (r * width + t) * vocabulary
                expected = log_softmax(logits[at:at + vocabulary], answer["ids"][t + 1])
                check(f"score {family} {dtype}", abs(value - expected) < tolerance, f"row {r} token {t}: {value}, {expected}")
        check(f"score {family} {dtype}", len(result.stdout.splitlines()) == rows, result.stdout)


def expect(name, result, code, *words):
    line = result.stderr.strip()
    check(name, result.returncode == code, f"exit {result.returncode}, expected {code}: {line}")
    for word in words:
        check(name, word in line, f"'{word}' is not in the message: {line}")


def check_padding(folder):
    """Rows of an embedding that no token stands for are never written: they would vanish from the text."""
    model = write_model(folder / "padded", seed=1, words=WORDS + 131)
    result = drystill("generate", model, "--prompt", "To be", "--raw", "--batch", "4", "--max-new-tokens", "32", "--json")
    expect("generate with padding", result, 0)
    for line in result.stdout.splitlines():
        check("generate with padding", max(json.loads(line)["ids"]) < WORDS, line)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for family in FAMILIES:
            check_scores(family, folder)
        check_padding(folder)
        llama = GOLDEN / "llama"
        bad = folder / "bad.jsonl"
        for text, words in (('{"ids": [1, 2]}\n[1]\n', ["bad.jsonl:2"]), ('{"ids": [1, 1.5]}', ["bad.jsonl:1", "1.5"]),
                            ('{"ids": [1, 96]}', ["bad.jsonl:1", "96", "vocabulary"]), ('{"ids": [1, -1]}', ["-1"]),
                            (json.dumps({"ids": [1] * 65}), ["65", "64", "positions"]), ("\0\xff", ["bad.jsonl:1"]),
                            ('{"ids": [1, 99999999999999999999]}', ["bad.jsonl:1"])):
            bad.write_text(text)
            expect(f"score {text[:20]}", drystill("score", llama, "--ids", bad, "--json"), 3, *words)
        empty = folder / "empty.jsonl"
        empty.write_text('{"ids": []}\n{"ids": [3]}\n')
        result = drystill("score", llama, "--ids", empty, "--json")
        check("score of nothing", [json.loads(line)["log_probabilities"] for line in result.stdout.splitlines()] == [[], []],
              result.stdout + result.stderr)
        expect("score without a file", drystill("score", llama), 2, "--text", "--ids")
        expect("score of a missing file", drystill("score", llama, "--ids", folder / "none"), 3, "none")
        for option in ("--text", "--ids"):
            expect(f"score {option} of a folder", drystill("score", llama, option, folder), 3, folder.name, "text file")
        bad.write_text('{"ids": [1, 2]}\n\n{"ids": [3, 4]}\n')
        blank = drystill("score", llama, "--ids", bad, "--json")
        expect("score of a blank line", blank, 3, "bad.jsonl:2", "empty line")
        check("score of a blank line", blank.stdout == "", f"output before the error: {blank.stdout}")
        piped = drystill("score", llama, "--ids", "-", "--json", input=empty.read_text())
        check("score of standard input", piped.stdout == result.stdout, piped.stderr)
        expect("score of bad standard input", drystill("score", llama, "--ids", "-", input="[1]\n"), 3, "standard input:1")
        expect("score with a missing model", drystill("score", folder / "none", "--ids", empty), 3, "none")
        expect("generate with a missing model", drystill("generate", folder / "none", "--prompt", "x"), 3, "none")
        expect("generate without a tokenizer", drystill("generate", llama, "--prompt", "x"), 3, "tokenizer")
        expect("temperature", drystill("generate", llama, "--prompt", "x", "--temperature", "-1"), 2, "temperature")
        expect("dtype", drystill("generate", llama, "--prompt", "x", "--dtype", "float16"), 2, "float16")
    print("\n".join(failures) or "ok")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
