"""A data set, a teacher and configurations small enough for a test, and a way to run the program."""
import json
import pathlib
import random
import struct
import subprocess
import sys

PROGRAM = sys.argv[1]


def drystill(*arguments, **options):
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=300, **options)


def write_idx(path, shape, data):
    path.write_bytes(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(data))


class World:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        rng = random.Random(0)
        for split in ("train", "test"):
            labels = [i % 10 for i in range(40)]
            write_idx(self.folder / f"{split}-labels", [40], labels)
            write_idx(self.folder / f"{split}-images", [40, 28, 28],
                      [min(255, 20 * label + rng.randrange(40)) for label in labels for _ in range(784)])
        data = "\n".join(f"  {s}_{k}: {self.folder}/{s}-{k}" for s in ("train", "test") for k in ("images", "labels"))
        self.teacher_config = self.write("teacher.yaml", f"""
task: train_classifier
device: cpu
threads: 1
input: {{channels: 1, height: 32, width: 32, classes: 10, mean: [0.3], stddev: [0.3]}}
model: {{architecture: resnet8}}
batch: 8
loop: {{epochs: 1, epoch_steps: 4}}
data:
  format: idx
{data}
""")
        result = drystill("train", self.teacher_config, "--out", self.folder / "teacher", "-q")
        assert result.returncode == 0, result.stderr
        self.teacher = self.folder / "teacher" / "model.safetensors"
        self.model_file = "student.safetensors"
        self.config = self.write("distill.yaml", f"""
task: distill_classifier
device: cpu
threads: 1
teacher: {{checkpoint: {self.teacher}}}
student: {{architecture: resnet8}}
batch: 8
student_steps_per_generator_step: 3
generator: {{method: generative, network: {{latent_size: 8, width: 4}}, warmup_steps: 2}}
curriculum: {{method: self_paced, adversarial: {{initial: 0.1, per_epoch: 0.1, begin: 0, end: 1}}}}
replay: {{capacity: 32, fraction: 0.5, draw: curriculum}}
augment: {{crop_padding: 2, flip: true}}
loop: {{epochs: 12, epoch_steps: 5, log_every: 2, sample_every: 4}}
evaluation:
  format: idx
  test_images: {self.folder}/test-images
  test_labels: {self.folder}/test-labels
""")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text.lstrip())
        return path


def metrics(run):
    """Every event without the wall clock."""
    events = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        event.pop("seconds")
        events.append(event)
    return events
