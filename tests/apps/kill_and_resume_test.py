"""A run killed by SIGKILL at random instants, twenty times, and resumed each time equals the uninterrupted one bit for
bit: every file of the final checkpoint and every metric. SIGTERM saves and exits 143."""
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from tiny_world import PROGRAM, World, drystill, metrics

KILLS = 20
SEED = random.SystemRandom().randrange(10**6)


def final_checkpoint(run):
    newest = sorted(p for p in (run / "checkpoints").iterdir() if p.name.startswith("step_"))[-1]
    return newest.name, (newest / "state.safetensors").read_bytes()


def start(world, run):
    return subprocess.Popen([PROGRAM, "distill", world.config, "--out", run, "--on-exists", "resume", "-q"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def main():
    print("seed", SEED)
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        whole, killed, stopped = (pathlib.Path(folder) / name for name in ("whole", "killed", "stopped"))
        began = time.monotonic()
        result = drystill("distill", world.config, "--out", whole, "-q")
        assert result.returncode == 0, result.stderr
        duration = time.monotonic() - began

        kills = 0
        for attempt in range(20 * KILLS):
            process = start(world, killed)
            try:
                # Short lives at first, so that twenty fit in before the run gets to its end.
                process.wait(timeout=rng.uniform(0.3, 1.0) * duration * (0.5 if kills < KILLS else 10))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
            error = process.communicate()[1]
            assert process.returncode in (0, -signal.SIGKILL), error
            if process.returncode == 0:
                if kills >= KILLS:
                    break
                # Over before the twentieth kill: throw the newest checkpoints away and go on from an older instant.
                for checkpoint in sorted((killed / "checkpoints").iterdir())[1:]:
                    subprocess.run(["rm", "-r", checkpoint], check=True)
        assert kills >= KILLS, f"only {kills} kills"
        assert final_checkpoint(killed) == final_checkpoint(whole), "the final checkpoint differs"
        assert metrics(killed) == metrics(whole), "the metrics differ"
        assert (killed / "student.safetensors").read_bytes() == (whole / "student.safetensors").read_bytes()

        process = start(world, stopped)
        while not (stopped / "metrics.jsonl").exists() or not (stopped / "metrics.jsonl").read_text():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        error = process.communicate()[1]
        assert process.returncode == 128 + signal.SIGTERM, (process.returncode, error)
        assert drystill("distill", "--resume", stopped, "-q").returncode == 0
        assert final_checkpoint(stopped) == final_checkpoint(whole)
        assert metrics(stopped) == metrics(whole)
    print(f"{KILLS} kills survived")


main()
