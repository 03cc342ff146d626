"""Writes tests/golden/core/optimizers.safetensors: ten steps of PyTorch's optimizers from given parameters and gradients.

Run from the repository root with torch 2.11, numpy and safetensors:  python tools/make_golden_core.py
"""
import torch
from safetensors.torch import save_file

STEPS = 10
CASES = {
    "sgd_plain": (torch.optim.SGD, dict(lr=0.05)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=5e-4)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)),
    "adam": (torch.optim.Adam, dict(lr=1e-2, betas=(0.5, 0.999), weight_decay=1e-2)),
    "adamw": (torch.optim.AdamW, dict(lr=1e-2, betas=(0.9, 0.99), eps=1e-6, weight_decay=5e-2)),
}


def main():
    generator = torch.Generator().manual_seed(7)
    matrix = torch.randn((3, 5), generator=generator)
    vector = torch.randn(4, generator=generator)
    matrix_gradients = torch.randn((STEPS, 3, 5), generator=generator)
    vector_gradients = torch.randn((STEPS, 4), generator=generator)
    tensors = {"matrix": matrix, "vector": vector, "matrix_gradients": matrix_gradients,
               "vector_gradients": vector_gradients}
    for name, (kind, options) in CASES.items():
        parameters = [matrix.clone().requires_grad_(), vector.clone().requires_grad_()]
        optimizer = kind(parameters, foreach=False, fused=False, **options)
        trajectory = [[], []]
        for step in range(STEPS):
            # The rate changes on the way, as a schedule does.
            optimizer.param_groups[0]["lr"] = options["lr"] * (1 if step < STEPS // 2 else 0.1)
            parameters[0].grad = matrix_gradients[step].clone()
            # The vector misses every third gradient: it must stay as it is, momentum included.
            parameters[1].grad = None if step % 3 == 2 else vector_gradients[step].clone()
            optimizer.step()
            for parameter, steps in zip(parameters, trajectory):
                steps.append(parameter.detach().clone())
        tensors[f"{name}.matrix"] = torch.stack(trajectory[0])
        tensors[f"{name}.vector"] = torch.stack(trajectory[1])
    save_file(tensors, "tests/golden/core/optimizers.safetensors")


if __name__ == "__main__":
    main()
