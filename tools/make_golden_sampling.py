"""Writes tests/golden/language/sampling.safetensors: log-probabilities after the warpers of `transformers`.

    python tools/make_golden_sampling.py        # needs torch, transformers, safetensors

Per case "<temperature>_<top_k>_<top_p>_<min_p>": log_softmax of the warped logits, in float32, minus infinity where a
token was cut off.
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "language" / "sampling.safetensors"
CASES = [(1, 0, 1, 0), (0.7, 0, 1, 0), (2, 5, 1, 0), (1, 1, 1, 0), (1, 0, 0.9, 0), (1.3, 0, 0.3, 0), (0.8, 0, 0.999, 0),
         (1, 20, 0.8, 0), (1, 0, 1, 0.1), (1.5, 0, 1, 0.02), (0.9, 30, 0.95, 0.05), (1, 400, 1, 0)]


def main():
    generator = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(3, 389, generator=generator)
    logits[1] *= 3
    logits[2] /= 10
    tensors = {"logits": logits}
    for temperature, top_k, top_p, min_p in CASES:
        warpers = []
        if temperature != 1:
            warpers.append(TemperatureLogitsWarper(float(temperature)))
        if top_k:
            warpers.append(TopKLogitsWarper(top_k))
        if top_p < 1:
            warpers.append(TopPLogitsWarper(top_p))
        if min_p:
            warpers.append(MinPLogitsWarper(min_p))
        scores = logits.clone()
        for warper in warpers:
            scores = warper(None, scores)
        tensors[f"{temperature:g}_{top_k}_{top_p:g}_{min_p:g}"] = scores.log_softmax(-1)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUTPUT)


if __name__ == "__main__":
    main()
