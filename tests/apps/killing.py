"""Kills a run by SIGKILL at random instants, every second time while a checkpoint is being written, and resumes it each
time: it equals the uninterrupted one bit for bit, every file of the final checkpoint, every metric and the model.
SIGTERM saves and exits 143."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from tiny_world import PROGRAM, drystill, metrics


def final_checkpoint(run):
    newest = sorted(p for p in (run / "checkpoints").iterdir() if p.name.startswith("step_"))[-1]
    return newest.name, (newest / "state.safetensors").read_bytes()


def model(file):
    """Its bytes, but for the command line in its metadata: --out is another folder for every run. Adapters have none."""
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header["__metadata__"].pop("drystill.command", None)
    return header, data[begin:]


def outcome(world, run):
    """What must not differ, by name."""
    return {"the final checkpoint": final_checkpoint(run), "the metrics": metrics(run),
            "the model": model(run / world.model_file)}


def unfinished(run):
    """Checkpoints that are being written, or that a kill left so: name and time of the last change."""
    found = set()
    for path in (run / "checkpoints").glob("step_*.tmp"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:
            pass  # it got its final name just now
    return found


def start(config, run):
    return subprocess.Popen([PROGRAM, "distill", config, "--out", run, "--on-exists", "resume", "-q"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill_and_resume(config, run, duration, kills, rng):
    """Returns how many of the kills landed in the writing of a checkpoint."""
    killed = in_a_write = 0
    for _ in range(20 * kills):
        before = unfinished(run)
        process = start(config, run)
        try:
            # Short lives at first, so that all kills fit in before the run gets to its end.
            process.wait(timeout=rng.uniform(0.3, 1.0) * duration * (0.5 if killed < kills else 10))
        except subprocess.TimeoutExpired:
            while killed % 2 == 1 and process.poll() is None and not unfinished(run) - before:
                time.sleep(0.0002)
            process.send_signal(signal.SIGKILL)
        error = process.communicate()[1]
        if process.returncode == -signal.SIGKILL:
            killed += 1
            in_a_write += bool(unfinished(run) - before)
        assert process.returncode in (0, -signal.SIGKILL), error
        if process.returncode == 0:
            if killed >= kills:
                return in_a_write
            # Over before the last kill: throw the newest checkpoints away and go on from an older instant.
            for checkpoint in sorted((run / "checkpoints").iterdir())[1:]:
                shutil.rmtree(checkpoint)
    raise AssertionError(f"only {killed} kills, or no end")


def stop_and_resume(config, run):
    process = start(config, run)
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM, (process.returncode, error)
    last = max(json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines())
    saved = int(final_checkpoint(run)[0].removeprefix("step_"))
    assert saved >= last, f"saved step {saved}, metrics up to {last}"
    result = drystill("distill", "--resume", run, "-q")
    assert result.returncode == 0, result.stderr


def check_world(make_world, kills):
    """make_world(folder): has `config`, a run's configuration, and `model_file`, its result inside the run folder."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        world = make_world(folder)
        began = time.monotonic()
        result = drystill("distill", world.config, "--out", folder / "whole", "-q")
        assert result.returncode == 0, result.stderr
        duration = time.monotonic() - began
        whole = outcome(world, folder / "whole")

        in_a_write = kill_and_resume(world.config, folder / "killed", duration, kills, random.Random(seed))
        assert kills < 20 or in_a_write > 0, "no kill landed in the writing of a checkpoint"
        stop_and_resume(world.config, folder / "stopped")
        for run in ("killed", "stopped"):
            for what, value in outcome(world, folder / run).items():
                assert value == whole[what], f"{what} of the {run} run differs"
    print(f"{kills} kills survived, {in_a_write} of them while a checkpoint was written; the uninterrupted run took {duration:.1f} s")
