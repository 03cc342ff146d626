"""Times a model file from process start to its first token, against `transformers`, in turn; prints a Markdown table.

    python tools/compare_first_token.py DRYSTILL MODEL_FOLDER [--rounds 5]

DRYSTILL is build/release/apps/drystill; MODEL_FOLDER a Hugging Face folder, which both read (`drystill convert` makes
one of a .gguf). Run it with a Python that has torch 2.11 and transformers, on a machine that does nothing else. The
file's pages are in memory: what is measured is the program, not the disk.
"""
import argparse
import statistics
import subprocess
import sys
import time

PEER = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=getattr(torch, sys.argv[2]))
ids = tokenizer(sys.argv[3], return_tensors="pt")
with torch.inference_mode():
    out = model.generate(**ids, max_new_tokens=1, do_sample=False)
print(int(out[0, -1]))
"""
PROMPT = "The capital of France is"


def seconds(command):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("drystill")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| dtype | drystill (s) | transformers (s) | share |")
    print("|---|---:|---:|---:|")
    for dtype in ("float32", "bfloat16"):
        ours = [options.drystill, "generate", options.model, "--prompt", PROMPT, "--raw", "--max-new-tokens", "1",
                "--temperature", "0", "--dtype", dtype, "--json"]
        peer = [sys.executable, "-c", PEER, options.model, dtype, PROMPT]
        times = {"ours": [], "peer": []}
        seconds(ours), seconds(peer)  # pages in memory
        for _ in range(options.rounds):
            times["ours"].append(seconds(ours))
            times["peer"].append(seconds(peer))
        mine, others = statistics.median(times["ours"]), statistics.median(times["peer"])
        print(f"| {dtype} | {mine:.2f} | {others:.2f} | {mine / others:.2f} |")


if __name__ == "__main__":
    main()
