"""The peer of bench/language/causal_lm_bench.cpp in `transformers`. Prints one JSON line: medians in seconds."""
import argparse
import contextlib
import json
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", type=int, default=8)
parser.add_argument("--width", type=int, default=256)
parser.add_argument("--layers", type=int, default=30)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--mode", choices=("fp32", "bf16", "mixed"), default="bf16")
arguments = parser.parse_args()
if arguments.threads:
    torch.set_num_threads(arguments.threads)

config = LlamaConfig(vocab_size=49152, hidden_size=576, num_hidden_layers=arguments.layers, num_attention_heads=9,
                     num_key_value_heads=3, intermediate_size=1536, tie_word_embeddings=True,
                     max_position_embeddings=8192, attn_implementation="sdpa")
model = LlamaForCausalLM(config)
if arguments.mode == "bf16":
    model = model.bfloat16()
ids = torch.randint(0, 49152, (arguments.rows, arguments.width))


def precision():
    return torch.autocast("cpu", torch.bfloat16) if arguments.mode == "mixed" else contextlib.nullcontext()


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def forward():
    with torch.no_grad(), precision():
        model(ids, use_cache=False)


def step():
    with precision():
        logits = model(ids, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.view(-1, 49152), ids.view(-1))
    loss.backward()


times = []
for repetition in range(arguments.repeat + 1):  # the first is the warm-up
    times.append((seconds(forward), seconds(step)))
    model.zero_grad(set_to_none=True)
forwards, steps = zip(*times[1:])
print(json.dumps({"mode": arguments.mode, "threads": torch.get_num_threads(),
                  "tokens": arguments.rows * arguments.width, "forward": round(statistics.median(forwards), 4),
                  "step": round(statistics.median(steps), 4)}))
