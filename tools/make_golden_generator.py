"""Golden values for the generator room, from PyTorch: objective terms with gradients, and the four networks.

    python tools/make_golden_generator.py tests/golden/generator
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

WIDTH, LATENT, CHANNELS, SIZE = 4, 6, 3, 16


def kl(student, teacher, t):
    return F.kl_div(F.log_softmax(student / t, 1), F.softmax(teacher / t, 1), reduction="none").sum(1) * t * t


def js(student, teacher, t):
    p, q = F.softmax(student / t, 1), F.softmax(teacher / t, 1)
    m = (0.5 * (p + q)).clamp(0.01, 0.99)
    p, q = p.clamp(0.01, 0.99), q.clamp(0.01, 0.99)
    return 0.5 * F.kl_div(torch.log(p), m, reduction="batchmean") + 0.5 * F.kl_div(torch.log(q), m, reduction="batchmean")


def total_variation(x):
    pairs = [(x[:, :, 1:], x[:, :, :-1]), (x[..., 1:], x[..., :-1]),
             (x[:, :, 1:, 1:], x[:, :, :-1, :-1]), (x[:, :, 1:, :-1], x[:, :, :-1, 1:])]
    return sum((a - b).abs().mean() for a, b in pairs)


def objective(out):
    torch.manual_seed(0)
    teacher = (3 * torch.randn(12, 10)).requires_grad_()
    student = (3 * torch.randn(12, 10)).requires_grad_()
    with torch.no_grad():  # half of the rows agree
        student[::2] = teacher[::2] + 0.3 * torch.randn(6, 10)
    features = torch.randn(12, 7).requires_grad_()
    images = torch.rand(3, 2, 6, 5).requires_grad_()
    mask = (student.argmax(1) == teacher.argmax(1)).float()
    mean = F.softmax(teacher / 5, 1).mean(0)
    terms = {
        "one_hot": F.cross_entropy(teacher, teacher.argmax(1)),
        "class_balance": (mean * mean.log()).sum(),
        "activation": -features.abs().mean(),
        "total_variation": total_variation(images),
        "adversarial_kl": -(kl(student, teacher, 3) * mask).mean(),
        "adversarial_kl_all": -kl(student, teacher, 3).mean(),
        "adversarial_l1": -F.l1_loss(student, teacher),
        "adversarial_js": 1 - js(student, teacher, 3).clamp(0, 1),
    }
    leaves = {"teacher": teacher, "student": student, "features": features, "images": images}
    out.update({k: v.detach().clone() for k, v in leaves.items()})
    for name, value in terms.items():
        out[name] = value.detach()
        for leaf, gradient in zip(leaves, torch.autograd.grad(value, leaves.values(), allow_unused=True, retain_graph=True)):
            if gradient is not None:
                out[f"{name}.grad.{leaf}"] = gradient


class Published(nn.Module):
    """The networks as CMI (small, large), CuDFKD (dcgan) and DAFL (dafl) define them, at a small width."""

    def __init__(self, kind):
        super().__init__()
        w, self.kind, self.base = WIDTH, kind, SIZE // 4
        wide = 2 * w if kind in ("small", "dafl") else 4 * w
        up, act = lambda: nn.Upsample(scale_factor=2), lambda: nn.LeakyReLU(0.2)
        self.wide = wide
        if kind == "dafl":
            self.l1 = nn.Sequential(nn.Linear(LATENT, wide * self.base**2))
            self.conv_blocks0 = nn.Sequential(nn.BatchNorm2d(wide))
            self.conv_blocks1 = nn.Sequential(nn.Conv2d(wide, 2 * w, 3, 1, 1), nn.BatchNorm2d(2 * w, 0.8), act())
            self.conv_blocks2 = nn.Sequential(nn.Conv2d(2 * w, w, 3, 1, 1), nn.BatchNorm2d(w, 0.8), act(),
                                              nn.Conv2d(w, CHANNELS, 3, 1, 1), nn.Tanh(), nn.BatchNorm2d(CHANNELS, affine=False))
            return
        blocks = nn.Sequential(nn.BatchNorm2d(wide), up(), nn.Conv2d(wide, 2 * w, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * w), act(),
                               up(), nn.Conv2d(2 * w, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w), act(),
                               nn.Conv2d(w, CHANNELS, 3, 1, 1), nn.Sigmoid())
        linear = nn.Linear(LATENT, wide * self.base**2)
        if kind == "dcgan":
            self.project, self.main = nn.Sequential(nn.Flatten(), linear), blocks
        else:
            self.l1, self.conv_blocks = nn.Sequential(linear), blocks

    def forward(self, z):
        x = (self.project if self.kind == "dcgan" else self.l1)(z).view(-1, self.wide, self.base, self.base)
        if self.kind == "dafl":
            x = F.interpolate(self.conv_blocks0(x), scale_factor=2)
            return self.conv_blocks2(F.interpolate(self.conv_blocks1(x), scale_factor=2))
        return (self.main if self.kind == "dcgan" else self.conv_blocks)(x)


def networks(out):
    torch.manual_seed(1)
    out["latent"] = torch.randn(5, LATENT)
    for kind in ("small", "large", "dcgan", "dafl"):
        network = Published(kind)
        out.update({f"{kind}.state.{k}": v.clone() for k, v in network.state_dict().items()})
        out[f"{kind}.train"] = network(out["latent"]).detach()
        out[f"{kind}.eval"] = network.eval()(out["latent"]).detach()  # after one update of the running statistics


if __name__ == "__main__":
    folder = sys.argv[1]
    for name, fill in (("objective", objective), ("networks", networks)):
        tensors = {}
        fill(tensors)
        save_file({k: v.contiguous() for k, v in tensors.items()}, f"{folder}/{name}.safetensors")
