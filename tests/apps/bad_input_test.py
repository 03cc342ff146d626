"""What careless and hostile input gives: the right exit code, one clear line, and nothing written over."""
import json
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import tempfile
import time
import zipfile

from tiny_world import PROGRAM, World, drystill

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "io"

failures = []


def expect(name, result, code, *words, lines=1):
    line = "\n".join(each for each in result.stderr.splitlines() if not each.startswith("info: "))
    problems = [f"exit {result.returncode}, expected {code}"] if result.returncode != code else []
    if code != 0 and len(line.splitlines()) != lines:
        problems.append(f"{len(line.splitlines())} lines, expected {lines}")
    problems += [f"'{word}' is not in the message" for word in words if word not in line]
    if result.returncode < 0:
        problems.append("it was killed by a signal")
    if problems:
        failures.append(f"{name}: {'; '.join(problems)}: {line[-400:]}")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/drystill-was-here",)


def renamed(data, old, new):
    """A safetensors file with another name for one tensor."""
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    header[new] = header.pop(old)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[begin:]


def check_output(folder):
    """Standard output that is full, and texts that look like something else or would drive a terminal."""
    for arguments in (["list", "models"], ["--help"]):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        expect(f"{arguments} to a full disk", result, 1, "standard output", "No space left on device")
    hostile = folder / "hostile.safetensors"
    header = json.dumps({"__metadata__": {"a\nb": "\x1b[2J"}, "w\x1b]0;x\x07\n": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}})
    hostile.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    shown = drystill("inspect", hostile)
    expect("inspect hostile names", shown, 0)
    if not (shown.stdout.replace("\n", "").isprintable() and r"w\x1b]0;x\x07\x0a" in shown.stdout and r"a\x0ab" in shown.stdout):
        failures.append(f"inspect hostile names: {shown.stdout!r}")


def check_names(world, folder):
    """Texts of a result stay texts, and a run has a name that can be written down."""
    (folder / "5").write_text(world.config.read_text())
    checked = json.loads(drystill("config", "check", "5", "--json", cwd=folder).stdout)
    odd = os.fsencode(folder) + b"/caf\xe9.yaml"
    pathlib.Path(os.fsdecode(odd)).write_text(world.config.read_text())
    plan = json.loads(subprocess.run([PROGRAM, "distill", odd, "--dry-run", "--json", "-q"], capture_output=True, timeout=60).stdout)
    if checked["config"] != "5" or plan["run"] != "runs/caf\uFFFD" or plan["steps"] != 60:
        failures.append(f"texts and numbers in JSON: {checked} {plan}")
    variable = world.write("variable.yaml", "name: ${env:DRYSTILL_TEST_NAME}\n" + world.config.read_text())
    result = drystill("config", "check", variable, env=os.environb | {b"DRYSTILL_TEST_NAME": b"caf\xe9"})
    expect("a variable that is no text", result, 2, "variable.yaml:1:7", "'DRYSTILL_TEST_NAME' holds a byte that is not UTF-8")


def check_first_error_wins(world, folder):
    """Where not even the outcome can be written, the program still says what happened first."""
    run = folder / "unwritable"
    process = subprocess.Popen([PROGRAM, "distill", world.config, "--out", run, "-q", "--set", "loop.epochs=1000000"],
                               stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any((run / "checkpoints").glob("*")):
        time.sleep(0.01)
    (run / "status.json").rename(run / "before.json")
    (run / "status.json").mkdir()
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    if process.returncode != 128 + signal.SIGTERM or not ("warning: status.json" in error and "go on with --resume" in error):
        failures.append(f"the first error wins: exit {process.returncode}: {error}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        world = World(folder)
        text = world.config.read_text()
        counter = iter(range(1000))

        def distill(*arguments, config=world.config):
            return drystill("distill", config, "--out", folder / f"run{next(counter)}", "-q", *arguments)

        # The command line and the configuration: exit 2.
        expect("no verb", drystill(), 2)
        expect("unknown verb", drystill("distil"), 2, "did you mean 'distill'")
        expect("missing configuration", distill(config=folder / "none.yaml"), 2, "none.yaml")
        typo = world.write("typo.yaml", text.replace("batch: 8", "bacth: 8") + "student_steps: many\n")
        expect("unknown keys, all at once", distill(config=typo), 2, "typo.yaml:6:1", "did you mean 'batch'", "student_steps",
               lines=2)
        expect("wrong type", distill("--set", "batch=many"), 2, "--set", "batch")
        far = world.write("range.yaml", text.replace("batch: 8", "batch: -3"))
        expect("out of range", distill(config=far), 2, "range.yaml:6:8: 'batch' must be at least 1, got -3")
        last = text.count("\n") + 1
        expect("duplicate key", distill(config=world.write("twice.yaml", text + "batch: 9\n")), 2,
               f"twice.yaml:{last}:1: duplicate key 'batch', first at", "twice.yaml:6:1")
        expect("a bank smaller than a batch", distill("--set", "replay.capacity=7"), 2, "'replay'", "at least 8")
        expect("a draw by equal weights", distill("--set", "curriculum.granularity=per_batch"), 2, "'replay'", "per_sample")
        circle = world.write("circle.yaml", "base: circle.yaml\n" + text)
        expect("a base that contains itself", distill(config=circle), 2, "circle.yaml")
        expect("unknown architecture", distill("--set", "student.architecture=resnet9"), 2, "--set", "did you mean 'resnet8'")
        odd = world.write("odd.yaml", text.replace("architecture: resnet8", "architecture: resnet9"))
        expect("unknown architecture, in a file", drystill("config", "check", odd), 2, "odd.yaml:5:25", "did you mean 'resnet8'")
        expect("wrong task", drystill("train", world.config, "--out", folder / "x"), 2, "train_classifier")
        expect("untrained teacher", distill("--set", "teacher.checkpoint=''"), 2, "'teacher' needs", "untrained")
        expect("errors in the order of the file", distill(config=world.write("order.yaml", text + "zeal: 1\nbatch_size: 2\n")), 2,
               f"order.yaml:{last}:1: unknown key 'zeal'", f"order.yaml:{last + 1}:1: unknown key 'batch_size'", lines=2)
        expect("no run folder", drystill("distill", world.config, "--out", ""), 2, "--out: must not be empty")
        expect("a name that leads elsewhere", drystill("distill", world.config, "--set", "name=../x", "-q", cwd=folder), 2,
               "'name' must be the name of a folder", "'../x'", "--out")

        # Inputs that are missing, damaged or do not fit: exit 3.
        def teacher(file):
            return distill("--set", f"teacher.checkpoint={file}")

        data = world.teacher.read_bytes()
        expect("missing checkpoint", teacher(folder / "none.safetensors"), 3, "teacher.checkpoint: ", "none.safetensors",
               "mend the path")
        expect("a wrong number of classes", distill("--set", "input={channels: 1, classes: 7, mean: [0.3], stddev: [0.3]}"), 3,
               "teacher.checkpoint: ", "has 10 classes, expected 7", "set input.classes to 10")
        other = folder / "other.safetensors"
        other.write_bytes(renamed(data, "fc.weight", "fc.wieght"))
        expect("missing and unexpected tensors", teacher(other), 3, "teacher.checkpoint: ", "1 missing ('fc.weight')",
               "1 unexpected ('fc.wieght')")
        for cut in (0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1):
            file = folder / f"cut{cut}.safetensors"
            file.write_bytes(data[:cut])
            expect(f"checkpoint cut at {cut}", teacher(file), 3, file.name)
        huge = folder / "huge.safetensors"
        huge.write_bytes(struct.pack("<Q", 2**63) + data[8:])
        expect("absurd header length", teacher(huge), 3, "huge.safetensors")
        bare = folder / "bare.pth"
        bare.write_bytes(pickle.dumps({"state_dict": Evil()}, protocol=2))
        expect("a bare pickle", teacher(bare), 3, "bare.pth", "torch.save did not write")
        evil = folder / "evil.pth"
        with zipfile.ZipFile(evil, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"state_dict": Evil()}, protocol=2))
            archive.writestr("archive/version", "3\n")
        expect("hostile pickle", teacher(evil), 3, "evil.pth", "posix.system", "allow-list")
        assert not pathlib.Path("/tmp/drystill-was-here").exists(), "a pickle was executed"
        expect("wrong architecture", distill("--set", "teacher.architecture=resnet20"), 3, "teacher.checkpoint: ", "resnet8",
               "resnet20", "name another file")
        expect("no CUDA here", distill("--set", "device=cuda:7"), 3, "CUDA")
        gguf = (GOLDEN / "types.gguf").read_bytes()
        good, cut = folder / "good.gguf", folder / "cut.gguf"
        good.write_bytes(gguf)
        cut.write_bytes(gguf[:-100])
        expect("convert GGUF", drystill("convert", good, folder / "converted.safetensors"), 0)
        expect("inspect its safetensors", drystill("inspect", folder / "converted.safetensors"), 0)
        expect("inspect GGUF cut short", drystill("inspect", cut), 3, "cut.gguf", "tensor")
        expect("convert GGUF cut short", drystill("convert", cut, folder / "cut.safetensors"), 3, "cut.gguf")
        assert not (folder / "cut.safetensors").exists()
        (folder / "empty").mkdir()
        expect("inspect a folder without weights", drystill("inspect", folder / "empty"), 3, "model.safetensors")
        images = folder / "short-images"
        images.write_bytes((folder / "test-images").read_bytes()[:-5])
        expect("truncated IDX", distill("--set", f"evaluation.test_images={images}"), 3, "short-images")
        expect("no run to resume", drystill("distill", "--resume", folder / "nothing"), 3, "nothing")
        expect("evaluate a model", drystill("evaluate", world.teacher), 2, "is a model", "--model")
        expect("evaluate what is not there", drystill("evaluate", folder / "none"), 3, "none: there is no such run")
        expect("evaluate a folder without a run", drystill("evaluate", folder / "empty"), 3, "empty: the folder holds no run")
        bad = folder / "model"
        bad.mkdir()
        expect("no tokenizer", drystill("tokenize", bad, "--text", "-"), 3, "tokenizer.json")
        (bad / "tokenizer.json").write_text('{"model": {"type": "Unigram"}}')
        expect("another kind of tokenizer", drystill("tokenize", bad, "--text", "-"), 3, "Unigram")
        expect("no text", drystill("tokenize", bad, "--text", folder / "none.txt"), 3, "none.txt")

        check_output(folder)
        check_names(world, folder)
        check_first_error_wins(world, folder)

        # A run is never written over, and divergence is caught.
        done = folder / "done"
        expect("first run", drystill("distill", world.config, "--out", done, "-q", "--set", "loop.epochs=1"), 0)
        before = (done / "metrics.jsonl").read_bytes()
        again = drystill("distill", world.config, "--out", done, "-q")
        expect("existing run folder", again, 2, "done")
        assert (done / "metrics.jsonl").read_bytes() == before
        expect("out of memory", distill("--set", "batch=100000000000", "--set", "replay.capacity=0"), 5, "out of memory")
        expect("divergence in the last step", distill("--set", "optimizer.learning_rate=1e39", "--set", "loop.epochs=1",
                                                      "--set", "loop.epoch_steps=1"), 4, "diverged", "no checkpoint")
        expect("a run too long to count", distill("--set", "loop.epochs=4611686018427387904"), 2, "loop.epochs")
        # A mistake found before the first step leaves nothing in the way of the corrected command.
        corrected = folder / "corrected"
        for mistake, code in (("teacher.checkpoint=none.safetensors", 3), ("evaluation.test_images=none", 3),
                              ("teacher.checkpoint=", 2)):
            wrong = drystill("distill", world.config, "--out", corrected, "-q", "--set", mistake)
            expect(f"a run with {mistake}", wrong, code)
            assert not corrected.exists(), f"{mistake} left a run folder"
        expect("the corrected run", drystill("distill", world.config, "--out", corrected, "-q", "--set", "loop.epochs=1"), 0)
        expect("divergence", distill("--set", "optimizer.learning_rate=1e30"), 4, "diverged")
        for option, value in (("--out", folder / "elsewhere"), ("--on-exists", "new")):
            expect(f"{option} beside --resume", drystill("distill", "--resume", done, option, value), 2, option, "--resume")
        blocked = folder / "file"
        blocked.write_text("")
        expect("a run folder that cannot be made", drystill("distill", world.config, "--out", blocked / "run", "-q"), 1,
               "cannot make the folder", "choose another with --out")
    assert not failures, "\n" + "\n".join(failures)


main()
