"""What careless and hostile input gives: the right exit code, one clear line, and nothing written over."""
import os
import pathlib
import pickle
import struct
import tempfile

from tiny_world import World, drystill

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "io"

failures = []


def expect(name, result, code, *words):
    line = result.stderr.strip()
    problems = [f"exit {result.returncode}, expected {code}"] if result.returncode != code else []
    problems += [f"'{word}' is not in the message" for word in words if word not in line]
    if result.returncode < 0:
        problems.append("it was killed by a signal")
    if problems:
        failures.append(f"{name}: {'; '.join(problems)}: {line[-400:]}")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/drystill-was-here",)


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
        expect("unknown keys, all at once", distill(config=typo), 2, "typo.yaml:6:1", "did you mean 'batch'", "student_steps")
        expect("wrong type", distill("--set", "batch=many"), 2, "--set", "batch")
        expect("out of range", distill("--set", "batch=-3"), 2, "batch")
        expect("duplicate key", distill(config=world.write("twice.yaml", text + "batch: 9\n")), 2, "batch")
        circle = world.write("circle.yaml", "base: circle.yaml\n" + text)
        expect("a base that contains itself", distill(config=circle), 2, "circle.yaml")
        expect("unknown architecture", distill("--set", "student.architecture=resnet9"), 2, "--set", "did you mean 'resnet8'")
        odd = world.write("odd.yaml", text.replace("architecture: resnet8", "architecture: resnet9"))
        expect("unknown architecture, in a file", drystill("config", "check", odd), 2, "odd.yaml:5:25", "did you mean 'resnet8'")
        expect("wrong task", drystill("train", world.config, "--out", folder / "x"), 2, "train_classifier")
        expect("untrained teacher", distill("--set", "teacher.checkpoint="), 2)

        # Inputs that are missing, damaged or do not fit: exit 3.
        def teacher(file):
            return distill("--set", f"teacher.checkpoint={file}")

        data = world.teacher.read_bytes()
        expect("missing checkpoint", teacher(folder / "none.safetensors"), 3, "none.safetensors")
        for cut in (0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1):
            file = folder / f"cut{cut}.safetensors"
            file.write_bytes(data[:cut])
            expect(f"checkpoint cut at {cut}", teacher(file), 3, file.name)
        huge = folder / "huge.safetensors"
        huge.write_bytes(struct.pack("<Q", 2**63) + data[8:])
        expect("absurd header length", teacher(huge), 3, "huge.safetensors")
        evil = folder / "evil.pth"
        evil.write_bytes(pickle.dumps({"state_dict": Evil()}, protocol=2))
        expect("hostile pickle", teacher(evil), 3, "evil.pth")
        assert not pathlib.Path("/tmp/drystill-was-here").exists(), "a pickle was executed"
        expect("wrong architecture", distill("--set", "teacher.architecture=resnet20"), 3, "resnet8", "resnet20")
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
        bad = folder / "model"
        bad.mkdir()
        expect("no tokenizer", drystill("tokenize", bad, "--text", "-"), 3, "tokenizer.json")
        (bad / "tokenizer.json").write_text('{"model": {"type": "Unigram"}}')
        expect("another kind of tokenizer", drystill("tokenize", bad, "--text", "-"), 3, "Unigram")
        expect("no text", drystill("tokenize", bad, "--text", folder / "none.txt"), 3, "none.txt")

        # A run is never written over, and divergence is caught.
        done = folder / "done"
        expect("first run", drystill("distill", world.config, "--out", done, "-q", "--set", "loop.epochs=1"), 0)
        before = (done / "metrics.jsonl").read_bytes()
        again = drystill("distill", world.config, "--out", done, "-q")
        expect("existing run folder", again, 2, "done")
        assert (done / "metrics.jsonl").read_bytes() == before
        expect("out of memory", distill("--set", "batch=100000000000"), 5, "out of memory")
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
        blocked = folder / "file"
        blocked.write_text("")
        expect("a run folder that cannot be made", drystill("distill", world.config, "--out", blocked / "run", "-q"), 1)
    assert not failures, "\n" + "\n".join(failures)


main()
