"""Times batched generation against `transformers`, process by process in turn, and prints a Markdown table.

    python tools/compare_generate.py GENERATE_BENCH [--rounds 3] [--batches 1 8 32] [--json FILE]

GENERATE_BENCH is build/bench/bench/language/drystill_generate_bench. Run it with a Python that has torch 2.11 and
transformers, on a machine that does nothing else. A cell is the median over the rounds; the shares say how much of the
machine's read bandwidth the weights' traffic takes, and how much of its multiply-add rate the products.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).resolve().parent / "peers" / "generate.py"


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("generate_bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=2, help="timed rounds inside a process; its fastest counts")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    rows = []
    for dtype in options.dtypes:
        for batch in options.batches:
            shared = ["--batch", batch, "--new-tokens", options.new_tokens, "--repeat", options.repeat]
            shared += ["--bf16"] if dtype == "bfloat16" else []
            ours, peers = [], []
            for _ in range(options.rounds):
                ours.append(run([options.generate_bench, *shared]))
                peers.append(run([sys.executable, PEER, *shared]))
            median = lambda lines, key: statistics.median(line[key] for line in lines)  # noqa: E731
            rows.append({"dtype": dtype, "batch": batch, "drystill": median(ours, "tokens_per_second"),
                         "transformers": median(peers, "tokens_per_second"), "read_share": median(ours, "read_share"),
                         "flops_share": median(ours, "flops_share"), "threads": ours[0]["threads"]})
    if options.json:
        options.json.write_text(json.dumps({"new_tokens": options.new_tokens, "rows": rows}, indent=2) + "\n")
    print(f"SmolLM2-135M's shapes, {options.new_tokens} new tokens, {options.rounds} rounds in turn, {rows[0]['threads']} threads\n")
    print("| dtype | batch | drystill (tokens/s) | transformers (tokens/s) | ratio | share of read bandwidth | share of FLOP/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['dtype']} | {row['batch']} | {row['drystill']:.0f} | {row['transformers']:.0f} | "
              f"{row['drystill'] / row['transformers']:.2f} | {row['read_share']:.2f} | {row['flops_share']:.2f} |")


if __name__ == "__main__":
    main()
