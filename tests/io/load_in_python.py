"""load_in_python.py FLAT.pth WRAPPED.pth EXPECTED.safetensors: exits 0 where torch.load gives the expected tensors."""
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file


def check(loaded, expected):
    assert type(loaded).__name__ == "OrderedDict", type(loaded)
    assert list(loaded) == sorted(expected), "names differ"
    for name, tensor in expected.items():
        got = loaded[name]
        assert got.dtype == tensor.dtype and got.shape == tensor.shape, name
        assert torch.equal(got.reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), name
        assert got.is_contiguous() and not got.requires_grad, name


flat, wrapped, expected = sys.argv[1:]
with safe_open(expected, "pt") as file:
    metadata = file.metadata()
tensors = load_file(expected)
for mmap in (False, True):
    check(torch.load(flat, weights_only=True, mmap=mmap), tensors)
loaded = torch.load(wrapped, weights_only=True)
check(loaded.pop("state_dict"), tensors)
assert loaded == metadata, (loaded, metadata)
