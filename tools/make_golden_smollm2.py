"""Writes tests/golden/language/smollm2_greedy.json: how `transformers` goes on greedily behind a few prompts, with the
dequantised weights of the GGUF file that scripts/fetch_smollm2.sh prints.

    python tools/make_golden_smollm2.py "$(scripts/fetch_smollm2.sh)"        # needs torch, transformers, gguf

Per prompt: the text, whether it is taken as it is (raw) or asked through the chat template, its ids, and the 64 ids
behind it. A prompt whose two likeliest tokens are anywhere closer than GAP is refused: rounding could swap them.
"""
import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "language" / "smollm2_greedy.json"
TOKENS = 64
GAP = 2e-3  # of logits
PROMPTS = [
    ("The three laws of thermodynamics are", True),
    ("def fibonacci(n):\n    ", True),
    ("What is the capital of France, and what is it known for?", False),
    ("Write two sentences about rivers.", False),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path, help="SmolLM2-135M-Instruct as .gguf")
    path = parser.parse_args().model
    load = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    tokenizer = AutoTokenizer.from_pretrained(**load)
    model = AutoModelForCausalLM.from_pretrained(**load, dtype=torch.float32).eval()
    cases = []
    for prompt, raw in PROMPTS:
        if raw:
            ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        else:
            ids = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
            ).input_ids
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
        best = torch.stack(output.logits).topk(2, -1).values.squeeze(1)
        gap = (best[:, 0] - best[:, 1]).min().item()
        new = output.sequences[0, ids.size(1) :].tolist()
        print(f"{prompt!r}: smallest gap {gap:.4f}: {tokenizer.decode(new)!r}")
        if gap < GAP:
            print("  too close, left out")
            continue
        cases.append({"prompt": prompt, "raw": raw, "prompt_ids": ids[0].tolist(), "ids": new})
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    OUTPUT.write_text(f'{{"file": "{path.name}", "max_new_tokens": {TOKENS}, "cases": [\n  {lines}\n]}}\n')


if __name__ == "__main__":
    main()
