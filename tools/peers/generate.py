"""The Python peer of bench/language/generate_bench.cpp: `transformers` generate with SmolLM2-135M's shapes, timed.

    python tools/peers/generate.py --batch 32 [--bf16]

Random weights, random prompts, sampling at temperature 1 over the whole vocabulary, no stop token. Prints one JSON line:
the fastest of the rounds.
"""
import argparse
import json
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True, eos_token_id=None,
                         bos_token_id=None, pad_token_id=0)
    model = LlamaForCausalLM(config).eval().to(torch.bfloat16 if options.bf16 else torch.float32)
    ids = torch.randint(1, 49152, (options.batch, options.prompt_tokens))
    best = float("inf")
    for round_ in range(options.repeat + 1):
        start = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                                 max_new_tokens=options.new_tokens, min_new_tokens=options.new_tokens)
        seconds = time.perf_counter() - start
        assert out.shape[1] == options.prompt_tokens + options.new_tokens
        if round_ > 0:  # the first warms up
            best = min(best, seconds)
    print(json.dumps({"peer": "transformers", "dtype": "bfloat16" if options.bf16 else "float32", "batch": options.batch,
                      "new_tokens": options.new_tokens, "threads": torch.get_num_threads(), "seconds": round(best, 4),
                      "tokens_per_second": round(options.batch * options.new_tokens / best, 1)}))


if __name__ == "__main__":
    main()
