#!/usr/bin/env python3
"""Writes the golden files of tests/io: what Python's safetensors and torch.save write, for our readers and writers.

Usage: make_golden_io.py [OUTPUT_FOLDER]     (default: tests/golden/io; needs torch, numpy, safetensors)

Values are fixed by formula, so that a rerun changes nothing but the ids that torch.save draws.
"""
import argparse
import collections
import pathlib
import struct
import sys
import zipfile

import torch
from safetensors.torch import save_file

SAFETENSORS_DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.float8_e5m2, torch.float8_e4m3fn, torch.float8_e8m0fnu,
    torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.int16, torch.uint16, torch.float16, torch.bfloat16,
    torch.int32, torch.uint32, torch.float32, torch.complex64, torch.float64, torch.int64, torch.uint64,
]


def ramp(*shape, start=0.0, step=0.25):
    count = torch.Size(shape).numel()
    return (start + step * torch.arange(count, dtype=torch.float32)).reshape(shape)


def every_dtype():
    """One tensor a dtype, names chosen so that neither the order of names nor of creation is the file's order."""
    tensors = {}
    for i, dtype in enumerate(SAFETENSORS_DTYPES):
        size = torch.empty(0, dtype=dtype).element_size()
        if dtype is torch.bool:
            tensor = torch.tensor([True, False, True, True, False, True])
        else:  # small bit patterns: every one is a valid value of every type
            tensor = torch.arange(1, 6 * size + 1, dtype=torch.uint8).view(dtype)
        tensors[f"tensor {(7 * i) % 19:02d}"] = tensor.reshape(2, 3)
    tensors["a.scalar"] = torch.tensor(1.5)
    tensors["an.empty"] = torch.zeros(0, 3)
    tensors["ünï \"quoted\"\n\x01"] = ramp(3)
    return tensors


def network():
    """A small net with batch norm, its numbers by formula."""
    net = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(1, 2, 3, bias=False), bn=torch.nn.BatchNorm2d(2), fc=torch.nn.Linear(8, 3)))
    with torch.no_grad():
        for i, tensor in enumerate(net.state_dict().values()):
            if tensor.is_floating_point():
                tensor.copy_(ramp(*tensor.shape, start=float(i)))
            else:
                tensor.fill_(7)
    return net


def views():
    """Strided, offset and shared tensors of several dtypes."""
    base = ramp(3, 4)
    state = collections.OrderedDict(
        base=base,
        slice=base[1:, ::2],
        transposed=base.t(),
        row=base[2],
        expanded=torch.tensor([2.5]).expand(4),
        half=ramp(5).half(),
        bfloat16=ramp(5).bfloat16(),
        double=ramp(2).double(),
        long=torch.arange(-2, 3),
        int=torch.arange(-2, 3, dtype=torch.int32),
        short=torch.arange(-2, 3, dtype=torch.int16),
        char=torch.arange(-2, 3, dtype=torch.int8),
        byte=torch.arange(5, dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
        complex=torch.complex(ramp(2), ramp(2, start=3.0)),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(ramp(2, 2)),
        newer=torch.tensor([1, 65535], dtype=torch.uint16),
        float8=ramp(4).to(torch.float8_e4m3fn),
    )
    return state


def training_checkpoint(net):
    """What a training script keeps: a wrapped state dict, an optimizer that has stepped, and odds and ends."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1, betas=(0.9, 0.99))
    state = net.state_dict()
    copies = collections.OrderedDict((f"module.{k}", v.clone()) for k, v in state.items())
    copies._metadata = state._metadata
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    return {
        "epoch": 12,
        "arch": "tiny",
        "best_acc1": 93.25,
        "done": True,
        "nothing": None,
        "huge": 2**80,
        "minus": -70000,
        "long": 2**40,
        "opt": argparse.Namespace(lr=0.1, tags=["a", "b"], nested={"k": (1, 2.5)}),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "shape": torch.Size([1, 2]),
        "bytes": b"\x00\xff",
        "set": {1, 2},
        "acc_tensor": torch.tensor(0.5),
        "factory": collections.defaultdict(dict, a={"b": 1}),
        "numpy": __import__("numpy").float64(0.5),
        "state_dict": copies,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


class System:
    """Pickles to a call of os.system: what a hostile file does."""

    def __reduce__(self):
        import os
        return os.system, ("echo this must never run",)


def two_sizes(path):
    """A zip whose pickle gives one storage two sizes: the second tensor would reach far behind its memory."""
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    def integer(value):
        return b"J" + struct.pack("<i", value)

    def tensor(elements):
        storage = (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") +
                   text(b"cpu") + integer(elements) + b"tQ")
        return storage + integer(0) + b"(" + integer(elements) + b"t(" + integer(1) + b"t\x89ccollections\nOrderedDict\n)RtR"

    pickle = b"\x80\x02}(" + text(b"a") + tensor(4) + text(b"b") + tensor(1000000) + b"u."
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(zipfile.ZipInfo("archive/data.pkl"), pickle)
        target.writestr(zipfile.ZipInfo("archive/data/0"), struct.pack("<4f", 1, 2, 3, 4))


def contiguous(state):
    return {k: v.detach().contiguous().clone() for k, v in state.items()}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "io")
    folder.mkdir(parents=True, exist_ok=True)

    # One metadata entry only: the reference writer puts several in random order.
    save_file(every_dtype(), folder / "every_dtype.safetensors", metadata={"format": "pt"})
    save_file({}, folder / "no_tensors.safetensors", metadata={"format": "pt"})
    save_file({"w": ramp(2)}, folder / "no_metadata.safetensors")

    net = network()
    save_file(contiguous(net.state_dict()), folder / "network.safetensors", metadata={"format": "pt"})
    torch.save(net.state_dict(), folder / "network_zip.pth")
    torch.save(net.state_dict(), folder / "network_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(dict(net.state_dict()), folder / "network_plain_dict.pth")
    torch.save({"model": net.state_dict(), "epoch": 3}, folder / "network_model_key.pth")

    state = views()
    save_file(contiguous(state), folder / "views.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "views_zip.pth")
    # Types newer than the legacy layout are not written in it.
    legacy = collections.OrderedDict((k, v) for k, v in state.items() if k not in ("newer", "float8"))
    torch.save(legacy, folder / "views_legacy.pth", _use_new_zipfile_serialization=False)

    checkpoint = training_checkpoint(net)
    torch.save(checkpoint, folder / "training_zip.pth")
    torch.save(checkpoint, folder / "training_legacy.pth", _use_new_zipfile_serialization=False)

    # Refused ones.
    torch.save({"state_dict": {"w": ramp(2)}, "evil": System()}, folder / "hostile_system.pth")
    torch.save(net, folder / "whole_module.pth")
    two_sizes(folder / "two_sizes.pth")
    torch.save({"epoch": 3, "weights": {"w": ramp(2)}}, folder / "no_state_dict.pth")
    with zipfile.ZipFile(folder / "network_zip.pth") as source:
        with zipfile.ZipFile(folder / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as target:
            for item in source.infolist():
                target.writestr(zipfile.ZipInfo(item.filename), source.read(item), zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(folder / "big_endian.pth", "w") as target:
            for item in source.infolist():
                data = b"big" if item.filename.endswith("/byteorder") else source.read(item)
                target.writestr(zipfile.ZipInfo(item.filename), data)
        with zipfile.ZipFile(folder / "zip64.pth", "w") as target:
            for item in source.infolist():
                with target.open(zipfile.ZipInfo(item.filename), "w", force_zip64=True) as entry:
                    entry.write(source.read(item))


if __name__ == "__main__":
    main()
