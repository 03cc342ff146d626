"""Writes a small GGUF file with one tensor of every type that io/gguf.h reads, and what they stand for.

usage: make_golden_gguf.py [FOLDER]     (default: tests/golden/io; needs numpy, gguf and safetensors)

types.gguf           by gguf.GGUFWriter; random blocks, their half-precision scales of every size but Inf and NaN
types.safetensors    the same tensors in float32, by gguf.quants.dequantize
"""

import pathlib
import sys

import gguf
import numpy
from safetensors.numpy import save_file

Type = gguf.GGMLQuantizationType

# Where the half-precision numbers of a block stand.
HALVES = {
    Type.Q4_0: (0,),
    Type.Q4_1: (0, 2),
    Type.Q5_0: (0,),
    Type.Q5_1: (0, 2),
    Type.Q8_0: (0,),
    Type.Q4_K: (0, 2),
    Type.Q5_K: (0, 2),
    Type.Q6_K: (208,),
}


def quantised(random, kind, shape):
    """Random blocks: an array of bytes whose rows stand for `shape`."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = shape[-1] // elements
    blocks = random.integers(0, 256, (*shape[:-1], count, size), dtype=numpy.uint8)
    for place in HALVES[kind]:
        exponent = random.integers(-24, 3, blocks.shape[:-1])  # down to the smallest subnormal
        halves = (random.choice([-1.0, 1.0], exponent.shape) * random.uniform(1, 2, exponent.shape) * 2.0**exponent)
        blocks[..., place : place + 2] = halves.astype(numpy.float16)[..., None].view(numpy.uint8)
    return blocks.reshape(*shape[:-1], count * size)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "io")
    random = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(folder / "types.gguf", "llama")
    writer.add_uint8("a.uint8", 200)
    writer.add_int8("a.int8", -100)
    writer.add_uint16("a.uint16", 60000)
    writer.add_int16("a.int16", -30000)
    writer.add_uint32("a.uint32", 4000000000)
    writer.add_int32("a.int32", -2000000000)
    writer.add_uint64("a.uint64", 2**64 - 1)
    writer.add_int64("a.int64", -(2**63))
    writer.add_float32("a.float32", 1e-5)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "dry \u2603")
    writer.add_array("an.array.of.texts", ["a", "", "\u2603", "d"])
    writer.add_array("an.array.of.integers", [1, -2, 3])
    writer.add_array("an.array.of.numbers", [0.5, -1.5])
    writer.add_array("an.array.of.flags", [True, False])

    values = {}
    for kind in HALVES:
        elements = gguf.GGML_QUANT_SIZES[kind][0]
        data = quantised(random, kind, (3, elements) if elements == 256 else (2, 3, 3 * elements))
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.quants.dequantize(data, kind)
    numbers = random.standard_normal((3, 5)).astype(numpy.float32)
    for kind in (Type.F32, Type.F16, Type.BF16):
        data = gguf.quants.quantize(numbers, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.quants.dequantize(data, kind).astype(numpy.float32)
    writer.add_tensor("vector", numpy.arange(7, dtype=numpy.float32))
    values["vector"] = numpy.arange(7, dtype=numpy.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: numpy.ascontiguousarray(value) for name, value in values.items()}, folder / "types.safetensors")


if __name__ == "__main__":
    main()
