"""Python's side of python_peer_test.cpp: networks with PyTorch's own weights, and what it makes of ours.

    classifiers_in_python.py make FOLDER      writes <name>_<form>.pth, and inputs and logits in expected.safetensors
    classifiers_in_python.py check FOLDER     <name>_ours.pth gives the logits of ours.safetensors
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from make_golden_vision import build

NAMES = ("resnet18", "wrn40_2", "vgg11")


def make(folder):
    torch.manual_seed(3)
    expected = {"images": torch.randn(4, 3, 32, 32)}
    for name in NAMES:
        model = build(name, 10)
        with torch.no_grad():
            for _ in range(3):
                model.train()(torch.randn(16, 3, 32, 32))  # running statistics away from their start
            expected[f"{name}.logits"] = model.eval()(expected["images"])[0]
        state = model.state_dict()
        torch.save(state, folder / f"{name}_zip.pth")
        torch.save(state, folder / f"{name}_legacy.pth", _use_new_zipfile_serialization=False)
        wrapped = {"epoch": 240, "state_dict": {f"module.{key}": value for key, value in state.items()}}
        torch.save(wrapped, folder / f"{name}_wrapped.pth")
    save_file(expected, folder / "expected.safetensors")


def check(folder):
    ours = load_file(folder / "ours.safetensors")
    for name in NAMES:
        model = build(name, 10)
        model.load_state_dict(torch.load(folder / f"{name}_ours.pth", weights_only=True), strict=True)
        with torch.no_grad():
            difference = (model.eval()(ours["images"])[0] - ours[f"{name}.logits"]).abs().max()
        assert difference <= 1e-4, f"{name}: {difference}"


{"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
