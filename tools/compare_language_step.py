#!/usr/bin/env python3
"""Times our language-model step and that of `transformers` in turn and prints the ratios.

    python tools/compare_language_step.py build/bench/bench/language/drystill_causal_lm_bench --rounds 3 --mode bf16

Both run in processes of their own, one after the other, so that whatever else the machine does hits both.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys


def run(command):
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=("fp32", "bf16", "mixed"), default="bf16")
    parser.add_argument("--layers", default="30")
    parser.add_argument("--threads", default="0")
    arguments = parser.parse_args()
    shared = ["--mode", arguments.mode, "--layers", arguments.layers, "--threads", arguments.threads, "--repeat", "2"]
    peer = pathlib.Path(__file__).parent / "peers" / "language_step.py"
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        ours.append(run([str(arguments.bench), *shared]))
        theirs.append(run([sys.executable, str(peer), *shared]))
    for what in ("forward", "step"):
        mine, other = (statistics.median(each[what] for each in runs) for runs in (ours, theirs))
        tokens = ours[0]["tokens"]
        print(f"{arguments.mode} {what}: {tokens / mine:.0f} tokens/s, transformers {tokens / other:.0f}, "
              f"ratio {other / mine:.2f} ({ours[0]['threads']} threads, median of {arguments.rounds} rounds)")


if __name__ == "__main__":
    main()
