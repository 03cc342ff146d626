"""Times the engine's training step against its Python peers, process by process in turn, and prints a Markdown table.

    python tools/compare_vision_step.py STEP_BENCH [--rounds 3] [--device cpu] [--bf16] [--json FILE]

STEP_BENCH is build/bench/bench/distiller/drystill_step_bench. Run it with a Python that has torch 2.11, on a machine that
does nothing else. A column's figure is the median over the rounds.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).resolve().parent / "peers" / "vision_step.py"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("step_bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=2, help="generator steps a process")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="also the bf16 variants")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    shared = ["--batch", str(options.batch), "--repeat", str(options.repeat), "--device", options.device]
    commands = [[options.step_bench], [sys.executable, PEER, "--style", "published"], [sys.executable, PEER, "--style", "careful"]]
    if options.bf16:
        commands += [[options.step_bench, "--bf16"], [sys.executable, PEER, "--style", "careful", "--bf16"]]

    results = {}
    for _ in range(options.rounds):
        for command in commands:
            line = json.loads(subprocess.run([*command, *shared], check=True, capture_output=True, text=True).stdout)
            results.setdefault(line["peer"], []).append(line)
    rows = {peer: {key: statistics.median(line[key] for line in lines) for key in ("generator_step", "student_step", "round")}
            for peer, lines in results.items()}
    if options.json:
        options.json.write_text(json.dumps({"batch": options.batch, "device": options.device, "rows": rows}, indent=2) + "\n")
    print(f"batch {options.batch}, {options.device}, {options.rounds} rounds in turn, {line['threads']} threads\n")
    print("| program | generator step (s) | student step (s) | 1 + 10 steps (s) | times as long as ours |")
    print("|---|---:|---:|---:|---:|")
    for peer, row in rows.items():
        ratio = row["round"] / rows["drystill"]["round"]
        print(f"| {peer} | {row['generator_step']:.3f} | {row['student_step']:.3f} | {row['round']:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
