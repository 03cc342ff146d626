"""The Python peer of bench/distiller/step_bench.cpp: one CuDFKD generator step plus ten student steps, timed.

    python tools/peers/vision_step.py --style published --batch 128 --repeat 3
    python tools/peers/vision_step.py --style careful [--bf16]

`published` does what the released CuDFKD code does in a step (ljrprocc/DataFree, datafree/synthesis/cudfkd.py and
datafree_kd.py), written anew: a teacher whose parameters still require gradients, batch-norm hooks on every forward of the
teacher with a permuted copy of each activation, a sort of the whole image batch in every sample(), .item() after each
loss. `careful` is what a good PyTorch user would write: frozen teacher, hooks only in the generator step, no copies,
channels-last, torch.var_mean. Same models, same losses, same batch. Prints one JSON line: seconds per step, medians.
"""
import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Pre-activation block of the wide ResNet of ZSKT and CMI."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(cin), nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(cout), nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(cin, cout, 1, stride, bias=False) if cin != cout else None

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = x if self.convShortcut is None else self.convShortcut(out)
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(out))))


class WideResNet(nn.Module):
    def __init__(self, depth, width, classes=10):
        super().__init__()
        n, w = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(*[Block(w[s] if i == 0 else w[s + 1], w[s + 1], 2 if s > 0 and i == 0 else 1)
                                      for s in range(3) for i in range(n)])
        self.bn1, self.fc = nn.BatchNorm2d(w[3]), nn.Linear(w[3], classes)

    def forward(self, x):
        return self.fc(F.relu(self.bn1(self.blocks(self.conv1(x)))).mean((2, 3)))


class Generator(nn.Module):
    """CuDFKD's DCGAN generator for 32 pixels, depth 2 (equal to the large generator of CMI)."""

    def __init__(self, latent=512):
        super().__init__()
        self.project = nn.Linear(latent, 256 * 64)
        self.main = nn.Sequential(
            nn.BatchNorm2d(256), nn.Upsample(scale_factor=2), nn.Conv2d(256, 128, 3, 1, 1, bias=False), nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2), nn.Conv2d(64, 3, 3, 1, 1), nn.Sigmoid())
        self.latent, self.format = latent, torch.contiguous_format

    def forward(self, z):
        return self.main(self.project(z).view(-1, 256, 8, 8).contiguous(memory_format=self.format))


MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]))


class PublishedTap:
    """Keeps the distance of every forward, as the published hook does: also where nobody asks for it."""

    def __init__(self, layer):
        layer.register_forward_hook(self.hook)

    def hook(self, layer, inputs, output):
        x = inputs[0]
        mean = x.mean([0, 2, 3])
        var = x.permute(1, 0, 2, 3).contiguous().view(x.shape[1], -1).var(1, unbiased=False)
        self.distance = torch.norm(layer.running_var - var, 2) + torch.norm(layer.running_mean - mean, 2)


class CarefulTap(PublishedTap):
    armed = False

    def hook(self, layer, inputs, output):
        if CarefulTap.armed:
            var, mean = torch.var_mean(inputs[0].float(), (0, 2, 3), unbiased=False)
            self.distance = torch.norm(layer.running_var - var) + torch.norm(layer.running_mean - mean)


def step_functions(style, batch, bf16, device):
    careful = style == "careful"
    teacher, student, generator = (m.to(device) for m in (WideResNet(40, 2).eval(), WideResNet(16, 1), Generator()))
    taps = [(CarefulTap if careful else PublishedTap)(m) for m in teacher.modules() if isinstance(m, nn.BatchNorm2d)]
    if careful:
        teacher.requires_grad_(False)
        for model in (teacher, student, generator):
            model.to(memory_format=torch.channels_last)
        generator.format = torch.channels_last
    adam = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.9, 0.99))
    sgd = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    mean, std = MEAN.to(device), STD.to(device)
    normalise = lambda x: (x - mean) / std
    latent = lambda: torch.randn(batch, generator.latent, device=device)
    autocast = lambda: torch.autocast(device, dtype=torch.bfloat16, enabled=bf16)

    def generator_step():
        student.eval(), generator.train()
        if careful:
            student.requires_grad_(False)
            CarefulTap.armed = True
        with autocast():
            x = normalise(generator(latent()))
            t, s = teacher(x).float(), student(x).float()
        if careful:
            CarefulTap.armed = False
        p = F.softmax(t / 20, 1).mean(0)
        mask = (s.argmax(1) == t.argmax(1)).float()
        kl = 9 * F.kl_div(F.log_softmax(s / 3, 1), F.softmax(t / 3, 1), reduction="none").sum(1)
        loss = (20 * (p * p.log()).sum() - 0.5 * (kl * mask).mean() + F.cross_entropy(t, t.argmax(1))
                + sum(tap.distance for tap in taps))
        adam.zero_grad()
        loss.backward()
        adam.step()
        if careful:
            student.requires_grad_(True)
        return loss.item()

    def student_step():
        student.train(), generator.eval()
        with torch.no_grad(), autocast():
            x = generator(latent())
            if not careful:
                torch.sort(x)
            x = normalise(x)
            t = teacher(x).float()
        with autocast():
            s = student(x).float()
        loss = F.l1_loss(s, t)
        weight = (1 + math.exp(-2.0)) / (1 + torch.exp(loss.detach() - 2))
        sgd.zero_grad()
        (weight * loss).backward()
        sgd.step()
        return loss.item()

    return generator_step, student_step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--style", choices=["published", "careful"], default="careful")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3, help="rounds of one generator step and --student-steps student steps")
    parser.add_argument("--student-steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    generator_step, student_step = step_functions(options.style, options.batch, options.bf16, options.device)
    generator_step(), student_step()  # warm-up
    generator_seconds, student_seconds = [], []
    for _ in range(options.repeat):
        start = time.perf_counter()
        generator_step()
        generator_seconds.append(time.perf_counter() - start)
        for _ in range(options.student_steps):
            start = time.perf_counter()
            student_step()
            student_seconds.append(time.perf_counter() - start)
    generator, student = statistics.median(generator_seconds), statistics.median(student_seconds)
    print(json.dumps({"peer": options.style + (" bf16" if options.bf16 else ""), "batch": options.batch,
                      "threads": torch.get_num_threads(), "generator_step": generator, "student_step": student,
                      "round": generator + 10 * student}))


if __name__ == "__main__":
    main()
