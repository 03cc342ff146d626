#include "io/gguf_blocks.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace drystill::io {
namespace {

// The block layouts, byte by byte: they stand in files without padding and at any address. Half-precision numbers are
// little-endian pairs of bytes.

using Byte = std::uint8_t;

float half(const Byte* bytes) {
  return c10::Half(static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8), c10::Half::from_bits());
}

// 32 elements, each an offset-free signed byte: value = scale * q.
struct Q8Blocks0 {
  static constexpr int kElements = 32;
  static constexpr int kBytes = 34;
  static void decode(const Byte* block, float* out) {
    const float scale = half(block);
    const Byte* codes = block + 2;
    for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<std::int8_t>(codes[i]));
  }
};

// 32 elements of 4 or 5 bits: the low halves of 16 bytes hold the first 16, the high halves the others; a fifth bit of
// each stands in a 32-bit word before them. value = scale * (q - 2^(bits-1)), or scale * q + minimum.
template <int kBits, bool kMinimum>
struct SmallBlocks {
  static constexpr int kElements = 32;
  static constexpr int kHeader = kMinimum ? 4 : 2;
  static constexpr int kBytes = kHeader + (kBits == 5 ? 4 : 0) + 16;
  static void decode(const Byte* block, float* out) {
    const float scale = half(block);
    std::array<Byte, 32> codes;
    const Byte* nibbles = block + kBytes - 16;
    for (int i = 0; i < 16; ++i) {
      codes[i] = nibbles[i] & 0xf;
      codes[i + 16] = nibbles[i] >> 4;
    }
    if constexpr (kBits == 5) {
      const Byte* high = block + kHeader;
      for (int i = 0; i < 32; ++i) codes[i] |= (high[i / 8] >> i % 8 & 1) << 4;
    }
    if constexpr (kMinimum) {
      const float minimum = half(block + 2);
      for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(codes[i]) + minimum;
    } else {
      constexpr int kZero = 1 << (kBits - 1);
      for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(codes[i] - kZero);
    }
  }
};

// 256 elements of 4 or 5 bits in 8 groups of 32, each with a 6-bit scale and a 6-bit minimum, packed in 12 bytes:
// value = (d * scale) * q - d_min * minimum. Two neighbouring groups share 32 bytes of nibbles; the fifth bit of group
// g is bit g of 32 bytes before them.
template <int kBits>
struct KBlocks {
  static constexpr int kElements = 256;
  static constexpr int kBytes = 4 + 12 + (kBits == 5 ? 32 : 0) + 128;
  static void decode(const Byte* block, float* out) {
    const float d = half(block);
    const float d_min = half(block + 2);
    const Byte* packed = block + 4;
    const Byte* high = block + 16;
    const Byte* nibbles = block + kBytes - 128;
    for (int g = 0; g < 8; ++g, out += 32) {
      // Groups 0 to 3: six bits of a byte. Groups 4 to 7: four bits of a later byte, and the two left over before.
      const int scale = g < 4 ? packed[g] & 63 : (packed[g + 4] & 0xf) | packed[g - 4] >> 6 << 4;
      const int minimum = g < 4 ? packed[g + 4] & 63 : packed[g + 4] >> 4 | packed[g] >> 6 << 4;
      const float factor = d * static_cast<float>(scale);
      const float offset = d_min * static_cast<float>(minimum);
      const Byte* pair = nibbles + g / 2 * 32;
      const int shift = g % 2 * 4;
      for (int i = 0; i < 32; ++i) {
        int code = pair[i] >> shift & 0xf;
        if constexpr (kBits == 5) code |= (high[i] >> g & 1) << 4;
        out[i] = factor * static_cast<float>(code) - offset;
      }
    }
  }
};

// 256 elements of 6 bits in 16 groups of 16, each with a signed 8-bit scale: value = (d * scale) * (q - 32). Each half
// of the block has 64 bytes of low nibbles and 32 bytes of high bit pairs: quarter k of it takes the nibbles of bytes
// 32 * (k % 2) on, low ones for k < 2, and bits 2k, 2k + 1.
struct Q6Blocks {
  static constexpr int kElements = 256;
  static constexpr int kBytes = 210;
  static void decode(const Byte* block, float* out) {
    const float d = half(block + 208);
    for (int part = 0; part < 2; ++part) {
      const Byte* low = block + part * 64;
      const Byte* high = block + 128 + part * 32;
      for (int k = 0; k < 4; ++k) {
        const Byte* nibbles = low + k % 2 * 32;
        for (int group = 0; group < 2; ++group, out += 16) {
          const auto scale = static_cast<std::int8_t>(block[192 + part * 8 + k * 2 + group]);
          const float factor = d * static_cast<float>(scale);
          for (int j = 0; j < 16; ++j) {
            const int i = group * 16 + j;
            const int code = (nibbles[i] >> k / 2 * 4 & 0xf) | (high[i] >> 2 * k & 3) << 4;
            out[j] = factor * static_cast<float>(code - 32);
          }
        }
      }
    }
  }
};

std::uint16_t rounded_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);  // NaN stays NaN
}

template <class Blocks>
void decode_to_float(const Byte* blocks, std::int64_t count, void* out) {
  auto* values = static_cast<float*>(out);
  for (std::int64_t i = 0; i < count; ++i) Blocks::decode(blocks + i * Blocks::kBytes, values + i * Blocks::kElements);
}

template <class Blocks>
void decode_to_bfloat16(const Byte* blocks, std::int64_t count, void* out) {
  auto* values = static_cast<std::uint16_t*>(out);  // any bytes of a new tensor may be written as these
  std::array<float, Blocks::kElements> decoded;
  for (std::int64_t i = 0; i < count; ++i, values += Blocks::kElements) {
    Blocks::decode(blocks + i * Blocks::kBytes, decoded.data());
    for (int j = 0; j < Blocks::kElements; ++j) values[j] = rounded_to_bfloat16(decoded[j]);
  }
}

struct Decoder {
  std::uint32_t id;
  void (*to_float)(const Byte* blocks, std::int64_t count, void* out);
  void (*to_bfloat16)(const Byte* blocks, std::int64_t count, void* out);
};

template <class Blocks>
constexpr Decoder decoder(std::uint32_t id) {
  return {id, decode_to_float<Blocks>, decode_to_bfloat16<Blocks>};
}

const Decoder* find_decoder(const GgmlType& type) {
  static constexpr auto kDecoders = std::to_array<Decoder>({
      decoder<SmallBlocks<4, false>>(2),
      decoder<SmallBlocks<4, true>>(3),
      decoder<SmallBlocks<5, false>>(6),
      decoder<SmallBlocks<5, true>>(7),
      decoder<Q8Blocks0>(8),
      decoder<KBlocks<4>>(12),
      decoder<KBlocks<5>>(13),
      decoder<Q6Blocks>(14),
  });
  for (const Decoder& candidate : kDecoders) {
    if (candidate.id == type.id) return &candidate;
  }
  return nullptr;
}

}  // namespace

bool can_dequantize(const GgmlType& type) {
  return find_decoder(type) != nullptr;
}

torch::Tensor dequantize(std::span<const std::byte> blocks, const GgmlType& type, at::IntArrayRef shape,
                         at::ScalarType dtype) {
  TORCH_INTERNAL_ASSERT(dtype == at::kFloat || dtype == at::kBFloat16);
  constexpr std::int64_t kGrain = 32768;  // elements a task: 128 KB of float32, about an L2 cache with its blocks
  auto tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
  const std::int64_t elements = type.block_elements;
  const std::int64_t bytes = type.block_bytes;
  const std::int64_t count = tensor.numel() / elements;
  TORCH_INTERNAL_ASSERT(static_cast<std::uint64_t>(count * bytes) == blocks.size());
  const Decoder& decoder = *find_decoder(type);
  const auto decode = dtype == at::kFloat ? decoder.to_float : decoder.to_bfloat16;
  const auto* source = reinterpret_cast<const Byte*>(blocks.data());
  auto* destination = static_cast<std::byte*>(tensor.data_ptr());
  const auto width = static_cast<std::int64_t>(tensor.element_size());
  at::parallel_for(0, count, kGrain / elements, [&](std::int64_t begin, std::int64_t end) {
    decode(source + begin * bytes, end - begin, destination + begin * elements * width);
  });
  return tensor;
}

}  // namespace drystill::io
