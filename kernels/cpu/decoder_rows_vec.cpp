#include "kernels/cpu/decoder_rows_vec.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vec_pair.h"

namespace drystill::kernels::cpu {
namespace {

// Calls body(vector offset, lanes in use) over a row; the last call may have fewer lanes, loaded as zeros.
template <class Body>
void over_row(std::int64_t width, const Body& body) {
  for (std::int64_t i = 0; i < width; i += kLanes) body(i, static_cast<int>(std::min(kLanes, width - i)));
}

float total_of(const FloatVec& values) {
  return at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, values);
}

}  // namespace

void rms_norm_row(const float* x, const float* weight, std::int64_t width, float epsilon, float* y) {
  FloatVec squares(0.f);
  over_row(width, [&](std::int64_t i, int lanes) {
    const FloatVec value = FloatVec::loadu(x + i, lanes);
    squares = at::vec::fmadd(value, value, squares);
  });
  const FloatVec scale(1 / std::sqrt(total_of(squares) / static_cast<float>(width) + epsilon));
  over_row(width, [&](std::int64_t i, int lanes) {
    (FloatVec::loadu(x + i, lanes) * scale * FloatVec::loadu(weight + i, lanes)).store(y + i, lanes);
  });
}

void layer_norm_row(const float* x, const float* weight, const float* bias, std::int64_t width, float epsilon,
                    float* y) {
  FloatVec sum(0.f);
  over_row(width, [&](std::int64_t i, int lanes) { sum = sum + FloatVec::loadu(x + i, lanes); });
  const float mean = total_of(sum) / static_cast<float>(width);
  float squares = 0;  // of the deviations: a second pass, because the mean may dwarf them
  FloatVec deviations(0.f);
  const FloatVec means(mean);
  const std::int64_t whole = width / kLanes * kLanes;
  over_row(whole, [&](std::int64_t i, int) {
    const FloatVec value = FloatVec::loadu(x + i) - means;
    deviations = at::vec::fmadd(value, value, deviations);
  });
  for (std::int64_t i = whole; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  squares += total_of(deviations);
  const FloatVec scale(1 / std::sqrt(squares / static_cast<float>(width) + epsilon));
  over_row(width, [&](std::int64_t i, int lanes) {
    const FloatVec value = (FloatVec::loadu(x + i, lanes) - means) * scale;
    at::vec::fmadd(value, FloatVec::loadu(weight + i, lanes), FloatVec::loadu(bias + i, lanes)).store(y + i, lanes);
  });
}

void gated_silu_row(const float* gate, const float* up, std::int64_t width, float* y) {
  const FloatVec one(1.f);
  over_row(width, [&](std::int64_t i, int lanes) {
    const FloatVec value = FloatVec::loadu(gate + i, lanes);
    (value / (one + value.neg().exp()) * FloatVec::loadu(up + i, lanes)).store(y + i, lanes);
  });
}

void gelu_tanh_row(const float* x, std::int64_t width, float* y) {
  const FloatVec half(0.5f), one(1.f), cubic(0.044715f), scale(static_cast<float>(std::sqrt(2 / M_PI)));
  over_row(width, [&](std::int64_t i, int lanes) {
    const FloatVec value = FloatVec::loadu(x + i, lanes);
    const FloatVec inner = scale * at::vec::fmadd(cubic * value * value, value, value);
    (half * value * (one + inner.tanh())).store(y + i, lanes);
  });
}

void rotate_row(float* x, const float* cosine, const float* sine, std::int64_t half) {
  over_row(half, [&](std::int64_t i, int lanes) {
    const FloatVec first = FloatVec::loadu(x + i, lanes), second = FloatVec::loadu(x + half + i, lanes);
    const FloatVec c = FloatVec::loadu(cosine + i, lanes), s = FloatVec::loadu(sine + i, lanes);
    (first * c - second * s).store(x + i, lanes);
    (second * c + first * s).store(x + half + i, lanes);
  });
}

}  // namespace drystill::kernels::cpu
