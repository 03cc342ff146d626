#!/usr/bin/env python3
"""Makes tests/golden/vision/*.safetensors: what PyTorch says about every network of the zoo.

    python tools/make_golden_vision.py            # torch 2.11, safetensors, numpy

The networks below are written from the descriptions of the published ones and share nothing with the C++ side except
state-dict names. Weights too big to store come from `hashed`, a formula that tests/vision/hashed_weights.cpp repeats bit
for bit.

zoo.safetensors         <name>.counts = [parameters (10 classes), parameters (100 classes), batch norms, keys]
                        <name>.logits, .features: evaluation mode, 2 hashed images, hashed weights
classifier.safetensors  resnet8.state.*: a whole state dict with PyTorch's own draws
                        <name>.{logits, features, input_gradient}: evaluation mode, 4 hashed images
                        <name>.{train_logits, after.*}: training mode, and the buffers after it
"""
import argparse
import math
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file


class BasicBlock(nn.Module):
    def __init__(self, shortcut, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.out = width
        add_projection(self, shortcut, inputs, width, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + residual(self, x))


class Bottleneck(nn.Module):
    def __init__(self, shortcut, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.out = 4 * width
        add_projection(self, shortcut, inputs, 4 * width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + residual(self, x))


def add_projection(block, name, inputs, outputs, stride):
    block.projection = name if stride != 1 or inputs != outputs else None
    if block.projection:
        setattr(block, name, nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)))


def residual(block, x):
    return getattr(block, block.projection)(x) if block.projection else x


class ResNet(nn.Module):
    def __init__(self, block, shortcut, head, widths, blocks, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = len(widths)
        inputs = widths[0]
        for s, (width, count) in enumerate(zip(widths, blocks)):
            stage = []
            for b in range(count):
                stage.append(block(shortcut, inputs, width, 2 if s > 0 and b == 0 else 1))
                inputs = stage[-1].out
            setattr(self, f"layer{s + 1}", nn.Sequential(*stage))
        self.head = head
        setattr(self, head, nn.Linear(inputs, classes))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        features = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return getattr(self, self.head)(features), features


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        if inputs != outputs:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        shortcut = self.convShortcut(y) if hasattr(self, "convShortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + shortcut


class WideStage(nn.Module):
    def __init__(self, inputs, outputs, stride, count):
        super().__init__()
        self.layer = nn.Sequential(
            *[WideBlock(inputs if b == 0 else outputs, outputs, stride if b == 0 else 1) for b in range(count)])

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, factor, channels, classes):
        super().__init__()
        count = (depth - 4) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.block1 = WideStage(16, 16 * factor, 1, count)
        self.block2 = WideStage(16 * factor, 32 * factor, 2, count)
        self.block3 = WideStage(32 * factor, 64 * factor, 2, count)
        self.bn1 = nn.BatchNorm2d(64 * factor)
        self.fc = nn.Linear(64 * factor, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        features = F.relu(self.bn1(x)).mean((2, 3))
        return self.fc(features), features


class Vgg(nn.Module):
    def __init__(self, blocks, channels, classes):
        super().__init__()
        inputs = channels
        for b, widths in enumerate(blocks):
            layers = []
            for width in widths:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            setattr(self, f"block{b}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(512, classes)

    def forward(self, x):
        height = x.shape[2]
        for b in range(5):
            x = F.relu(getattr(self, f"block{b}")(x))
            if b < 3 or (b == 3 and height == 64):
                x = F.max_pool2d(x, 2)
        features = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.classifier(features), features


class LeNet(nn.Module):
    def __init__(self, divisor, channels, classes):
        super().__init__()
        a, b, c, d = 6 // divisor, 16 // divisor, 120 // divisor, 84 // divisor
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(channels, a, 5), nn.Conv2d(a, b, 5), nn.Conv2d(b, c, 5)
        self.fc1, self.fc2 = nn.Linear(c, d), nn.Linear(d, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        features = F.relu(self.fc1(F.relu(self.conv3(x)).flatten(1)))
        return self.fc2(features), features


def repeated(counts):
    return [[width] * count for width, count in zip((64, 128, 256, 512, 512), counts)]


def build(name, classes):
    if name.startswith("lenet5"):
        return LeNet(2 if name.endswith("half") else 1, 1, classes)
    if name.startswith("wrn"):
        depth, factor = name[3:].split("_")
        return WideResNet(int(depth), int(factor), 3, classes)
    if name.startswith("vgg"):
        counts = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
        return Vgg(repeated(counts[int(name[3:])]), 3, classes)
    depth = int(name[6:])
    if depth in (18, 34, 50):
        blocks = (2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)
        block = Bottleneck if depth == 50 else BasicBlock
        return ResNet(block, "shortcut", "linear", (64, 128, 256, 512), blocks, 3, classes)
    return ResNet(BasicBlock, "downsample", "fc", (16, 32, 64), [(depth - 2) // 6] * 3, 3, classes)


NAMES = ([f"resnet{d}" for d in (8, 14, 20, 32, 44, 56, 110, 18, 34, 50)] + ["wrn16_1", "wrn16_2", "wrn40_1", "wrn40_2"] +
         [f"vgg{d}" for d in (8, 11, 13, 16, 19)] + ["lenet5", "lenet5_half"])


def hashed(name, shape):
    """[-1, 1) from SplitMix64 of FNV-1a(name) + index, 24 bits: exact in float32. The same for every machine."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def fill(model):
    """Hashed weights that keep activations near 1, and running statistics that are not those of any batch."""
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(7)
            continue
        value = hashed(name, tuple(tensor.shape))
        if tensor.dim() > 1:
            value = value * math.sqrt(6.0 / math.prod(tensor.shape[1:]))
        elif name.endswith("running_var"):
            value = 1 + 0.5 * value
        elif name.endswith("weight"):
            value = 0.5 + 0.25 * value
        else:
            value = 0.125 * value
        tensor.copy_(value.to(torch.float32))


def images_for(name, count):
    return hashed("images", (count, 1 if name.startswith("lenet") else 3, 32, 32)).to(torch.float32)


def counts(name):
    small, large = build(name, 10), build(name, 100)
    total = lambda model: sum(p.numel() for p in model.parameters())
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in small.modules())
    return torch.tensor([total(small), total(large), norms, len(small.state_dict())])


def make_zoo():
    out = {}
    for name in NAMES:
        model = build(name, 10)
        fill(model)
        with torch.no_grad():
            out[f"{name}.logits"], out[f"{name}.features"] = model.eval()(images_for(name, 2))
        out[f"{name}.counts"] = counts(name)
    return out


def make_classifier():
    out = {}
    for name in ("resnet8", "resnet18", "wrn40_2", "vgg11", "lenet5"):
        torch.manual_seed(7)
        model = build(name, 10)
        if name == "resnet8":
            model.train()(torch.randn(16, 3, 32, 32))  # running statistics away from their start
            out.update({f"resnet8.state.{key}": value.clone() for key, value in model.state_dict().items()})
        else:
            fill(model)
        images = images_for(name, 4).requires_grad_()
        logits, features = model.eval()(images)
        (logits * hashed("cotangent", tuple(logits.shape)).to(torch.float32)).sum().backward()
        out.update({f"{name}.logits": logits.detach(), f"{name}.features": features.detach(),
                    f"{name}.input_gradient": images.grad})
        out[f"{name}.train_logits"] = model.train()(images)[0].detach()
        out.update({f"{name}.after.{key}": value.clone() for key, value in model.named_buffers()})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "vision"
    parser.add_argument("--out", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for stem, tensors in (("zoo", make_zoo()), ("classifier", make_classifier())):
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, arguments.out / f"{stem}.safetensors")
        print(stem, len(tensors), "tensors")
        for name, tensor in tensors.items():
            if name.endswith(("logits", "gradient")):
                print(f"  {name}: std {tensor.std():.3g}, max {tensor.abs().max():.3g}")
            if name.endswith("counts"):
                print(f"  {name}: {tensor.tolist()}")


if __name__ == "__main__":
    main()
