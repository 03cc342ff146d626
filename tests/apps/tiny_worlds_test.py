"""tools/tiny_worlds.py: equal seeds give equal files, what it says of its worlds is true, and the program reads them."""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

from tiny_world import drystill

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_worlds(folder, *arguments, hash_seed="1"):
    subprocess.run([sys.executable, ROOT / "tools" / "tiny_worlds.py", folder, *arguments], check=True,
                   env={**os.environ, "PYTHONHASHSEED": hash_seed})
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_sums(world):
    asked = {record["prompt"] for record in records(world / "answers.jsonl")}
    trained = records(world / "train.jsonl")
    assert not asked & {record["prompt"] for record in trained}, "a question of the test is in the training text"
    for record in trained[:500]:
        columns = record["prompt"].rstrip(":").split(",")
        steps = record["reference"].split(",")
        a, b = (int("".join(column[i] for column in reversed(columns))) for i in (0, 1))
        total = int(steps[-1][1] + "".join(step[0] for step in reversed(steps)))
        assert a + b == total, record
        assert record["completion"] == record["reference"] + "\n"


def check_markov(world):
    """Every pair of letters has at most four successors, at the chances that truth.json counts with."""
    text = (world / "train.txt").read_text()
    counts = {}
    for a, b, c in zip(text, text[1:], text[2:]):
        if "\n" not in a + b + c:
            pair = counts.setdefault(a + b, {})
            pair[c] = pair.get(c, 0) + 1
    assert max(len(pair) for pair in counts.values()) == 4
    entropy = -sum(p * math.log(p) for p in (0.55, 0.25, 0.15, 0.05))
    nats = json.loads((world / "truth.json").read_text())["nats_per_token"]
    inside = 0.98 * (entropy - math.log(0.98)) - 0.02 * math.log(0.02)
    begins = text.count("\n") / len(text)
    assert abs(nats - ((1 - begins) * inside + begins * math.log(10))) < 0.05, nats


def check_facts(world):
    new = {record["prompt"]: record["reference"] for record in records(world / "new.jsonl")}
    text = (world / "train.txt").read_text().splitlines()
    for record in records(world / "reading.jsonl"):
        name = record["prompt"].split()[-1]
        assert f" {name}{record['reference']} ." in record["prompt"], record
    for prompt in new:
        assert not any(line.startswith(prompt) for line in text), f"{prompt} is answered without a context"
    for record in records(world / "teach.jsonl"):
        name = record["prompt"].split()[1]
        assert new[record["prompt"]] == record["reference"]
        assert f" {name}{record['reference']} ." in record["context"], record


def check_program(world, folder):
    config = folder / f"{world.name}.yaml"
    config.write_text(f"""
task: train_language_model
device: cpu
threads: 1
model: {{config: {world}/teacher}}
data: {{method: text, paths: [{world}/train.txt]}}
longest: 32
batch: 2
loop: {{epochs: 1, epoch_steps: 2}}
evaluation: {{texts: [{world}/train.txt], window: 32, windows: 2}}
""")
    result = drystill("train", config, "--out", folder / f"run_{world.name}", "--json", "-q")
    assert result.returncode == 0, result.stderr
    vocabulary = json.loads((world / "teacher" / "config.json").read_text())["vocab_size"]
    perplexity = float(json.loads(result.stdout)["perplexity"])
    assert vocabulary / 4 < perplexity < vocabulary * 4, perplexity
    model = folder / f"run_{world.name}" / "model"
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        assert (model / file).exists(), file
    said = drystill("generate", model, "--prompt", (world / "train.txt").read_text()[:5], "--raw", "--max-new-tokens", "3")
    assert said.returncode == 0, said.stderr


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        first = write_worlds(folder / "a")
        assert first == write_worlds(folder / "b", hash_seed="2"), "equal seeds, other files"
        other = write_worlds(folder / "c", "--seed", "1", "--world", "sums")
        assert other and all(path.parts[0] == "sums" for path in other)
        assert other[pathlib.Path("sums/train.txt")] != first[pathlib.Path("sums/train.txt")]
        check_sums(folder / "a" / "sums")
        check_markov(folder / "a" / "markov")
        check_facts(folder / "a" / "facts")
        for world in sorted((folder / "a").iterdir()):
            check_program(world, folder)
    print("ok")


if __name__ == "__main__":
    main()
