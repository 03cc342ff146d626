"""Writes tests/golden/kernels/*.safetensors: inputs, outputs and gradients by PyTorch, in the words of the published code.

Run from the repository root with torch 2.11, numpy and safetensors:  python tools/make_golden_kernels.py
"""
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = "tests/golden/kernels"


def double_leaf(tensor):
    return tensor.double().requires_grad_()


def batch_statistics():
    """DeepInversionHook: mean and biased variance per channel, L2 distances to the running statistics."""
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name, shape in {"wide": (3, 33, 5, 7), "pixel": (6, 5, 1, 1), "single": (1, 2, 9, 3)}.items():
        x = 1.5 * torch.randn(shape, generator=generator) + torch.randn((1, shape[1], 1, 1), generator=generator)
        running_mean = torch.randn(shape[1], generator=generator)
        running_variance = torch.rand(shape[1], generator=generator) + 0.5
        mean_weight, variance_weight = torch.randn((2, shape[1]), generator=generator)

        leaf = double_leaf(x)
        mean = leaf.mean([0, 2, 3])
        variance = leaf.permute(1, 0, 2, 3).contiguous().view(shape[1], -1).var(1, unbiased=False)
        (gradient,) = torch.autograd.grad((mean * mean_weight + variance * variance_weight).sum(), leaf, retain_graph=True)
        distance = torch.norm(running_variance - variance, 2) + torch.norm(running_mean - mean, 2)
        (distance_gradient,) = torch.autograd.grad(distance, leaf)
        values = dict(x=x, running_mean=running_mean, running_variance=running_variance, mean_weight=mean_weight,
                      variance_weight=variance_weight, mean=mean, variance=variance, gradient=gradient,
                      distance=distance, distance_gradient=distance_gradient)
        tensors |= {f"{name}.{key}": value.detach().float().contiguous() for key, value in values.items()}
    save_file(tensors, f"{FOLDER}/batch_statistics.safetensors")


def jsdiv(s, t, temperature):
    """CMI datafree/criterions.py, without the reduction."""
    p, q = F.softmax(s / temperature, dim=1), F.softmax(t / temperature, dim=1)
    m = 0.5 * (p + q)
    p, q, m = p.clamp(0.01, 0.99), q.clamp(0.01, 0.99), m.clamp(0.01, 0.99)
    return (0.5 * F.kl_div(p.log(), m, reduction="none") + 0.5 * F.kl_div(q.log(), m, reduction="none")).sum(1)


def kldiv(s, t, temperature):
    p, q = F.log_softmax(s / temperature, dim=1), F.softmax(t / temperature, dim=1)
    return F.kl_div(p, q, reduction="none").sum(1) * temperature**2


KINDS = {
    "kl": kldiv,
    "reverse_kl": lambda s, t, temperature: kldiv(t, s, temperature),
    "js": jsdiv,
    "l1": lambda s, t, _: F.l1_loss(s, t, reduction="none").mean(1),
    "mse": lambda s, t, _: F.mse_loss(s, t, reduction="none").mean(1),
}


def divergence():
    generator = torch.Generator().manual_seed(2)
    tensors = {}
    for classes in (1, 10, 33, 100):
        s, t = 3 * torch.randn((2, 5, classes), generator=generator)
        upstream = torch.randn(5, generator=generator)
        tensors |= {f"{classes}.student": s, f"{classes}.teacher": t, f"{classes}.upstream": upstream}
        for kind, function in KINDS.items():
            for temperature in (1, 4):
                student, teacher = double_leaf(s), double_leaf(t)
                loss = function(student, teacher, temperature)
                (loss * upstream).sum().backward()
                key = f"{classes}.{kind}.{temperature}"
                tensors |= {f"{key}.loss": loss.detach().float(), f"{key}.student_gradient": student.grad.float(),
                            f"{key}.teacher_gradient": teacher.grad.float()}
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, f"{FOLDER}/divergence.safetensors")


if __name__ == "__main__":
    batch_statistics()
    divergence()
