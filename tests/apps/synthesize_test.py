"""drystill synthesize, and runs from what it wrote: the teacher's words in a file in place of the teacher."""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from tiny_language_model import write_language_model
from tiny_world import PROGRAM, drystill

failures = []


def check(name, condition, detail=""):
    if not condition:
        failures.append(f"{name}: {detail}")


def expect(name, result, code, *words):
    line = result.stderr.strip()
    check(name, result.returncode == code, f"exit {result.returncode}, expected {code}: {line}")
    check(name, "\n" not in line, f"more than one line: {line}")
    for word in words:
        check(name, word in line, f"'{word}' is not in the message: {line}")


def size_of(folder):
    return sum(file.stat().st_size for file in folder.iterdir()) if folder.exists() else 0


def check_interrupted(config, cached, folder):
    """What there is when a signal comes can be learnt from."""
    command = [PROGRAM, "synthesize", config, "-o", folder, "--logits", "--count", "1000000", "-q"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and size_of(folder) == 0:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1].strip()
    check("interrupted", process.returncode == 128 + signal.SIGTERM, f"exit {process.returncode}: {error}")
    records = len((folder / "records.jsonl").read_text().splitlines())
    check("interrupted", f"{records} of 1000000 sequences are in" in error, f"{records} records: {error}")
    check("interrupted", records > 0 and records % 4 == 0, f"{records} records")
    run = cached(folder, "interrupted_run")
    check("a run from what there was", run.returncode == 0, run.stderr)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        teacher = write_language_model(folder / "teacher", 1)
        student = write_language_model(folder / "student", 2)
        config = folder / "run.yaml"
        config.write_text(f"""
task: distill_language_model
device: cpu
threads: 1
teacher: {{model: {teacher}}}
student: {{from: {student}}}
rollout: {{prompts: {{method: vocab_start}}, sampling: {{max_new_tokens: 8}}}}
loss: {{divergence: {{support: teacher_top_k, k: 5}}}}
batch: 4
draw: 4
longest: 32
loop: {{epochs: 1, epoch_steps: 2}}
""".lstrip())
        cache = folder / "cache"
        written = drystill("synthesize", config, "-o", cache, "--logits", "--count", 6, "--json", "-q")
        check("synthesize", written.returncode == 0, written.stderr)
        facts = json.loads(written.stdout)
        check("its facts", int(facts["sequences"]) == 6 and 0 < float(facts["mean_tail"]) < 1, written.stdout)
        lines = (cache / "records.jsonl").read_text().splitlines()
        check("its records", len(lines) == 6 and len(json.loads(lines[0])["completion"]) > 0, lines[:1])
        expect("a folder twice", drystill("synthesize", config, "-o", cache, "--logits", "-q"), 3, "records.jsonl")

        def cached(file, out, *more):
            return drystill("distill", config, "--set", "teacher.weights.weights=cached", "--set",
                            f"teacher.weights.file={file}", "--out", folder / out, "-q", *more)

        moved = teacher.rename(folder / "elsewhere")  # nothing but the file is opened
        run = cached(cache, "run", "--json")
        check("a cached run", run.returncode == 0, run.stderr)
        check("its student", (folder / "run" / "student" / "model.safetensors").exists())
        moved.rename(teacher)

        check_interrupted(config, cached, folder / "interrupted")
        killed = folder / "killed"
        killed.mkdir()
        shutil.copy(cache / "teacher_00000.safetensors", killed)
        expect("a killed one's folder", drystill("synthesize", config, "-o", killed, "--logits", "-q"), 3, "killed",
               "teacher_00000.safetensors", "delete")

        part = cache / "teacher_00000.safetensors"
        data = part.read_bytes()
        for size in (0, 5, len(data) // 2, len(data) - 1):
            part.write_bytes(data[:size])
            expect(f"cut at {size}", cached(cache, f"cut{size}"), 3, "teacher_00000.safetensors")
        part.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
        expect("one bit", cached(cache, "bit"), 3, "teacher_00000.safetensors", "checksum")
        part.write_bytes(data)
        expect("no file", cached(folder / "none", "none"), 3, "none")
        expect("more words than there are", cached(cache, "k", "--set", "loss.divergence.k=6"), 2, "divergence.k", "5")
        expect("all words", cached(cache, "full", "--set", "loss.divergence.support=full"), 2, "loss", "teacher_top_k")
        expect("an advantage", cached(cache, "adv", "--set", "loss.advantage.weight=1"), 2, "loss", "advantage")
        shutil.copy(teacher / "model.safetensors", part)
        expect("a model", cached(cache, "model"), 3, "teacher cache")
        expect("--k alone", drystill("synthesize", config, "-o", folder / "k", "--k", 3), 2, "--logits")
        expect("no ensemble", drystill("distill", config, "--set", "teacher.weights.weights=ensemble", "--set",
                                       "teacher.weights.others=[]", "--out", folder / "e", "-q"), 2, "others")
    print("\n".join(failures) or "ok")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
