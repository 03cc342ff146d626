#include "kernels/cpu/transformer_vec.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vec_pair.h"

namespace drystill::kernels::cpu {
namespace {

constexpr float kNothing = -1e30f;  // a score that leaves no probability, and is finite

float sum_of(const FloatVec& values) {
  return at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, values);
}

// The first `count` of a pair, zeros behind them.
VecPair load_part(const float* from, std::int64_t count) {
  return {FloatVec::loadu(from, static_cast<int>(std::min(count, kLanes))),
          count > kLanes ? FloatVec::loadu(from + kLanes, static_cast<int>(count - kLanes)) : FloatVec(0.f)};
}
VecPair load_part(const c10::BFloat16* from, std::int64_t count) {
  const auto [low, high] = at::vec::convert_to_float<c10::BFloat16>(
      at::vec::Vectorized<c10::BFloat16>::loadu(from, static_cast<int>(count)));
  return {low, high};
}
void store_part(const VecPair& values, float* to, std::int64_t count) {
  values.low.store(to, static_cast<int>(std::min(count, kLanes)));
  if (count > kLanes) values.high.store(to + kLanes, static_cast<int>(count - kLanes));
}
void store_part(const VecPair& values, c10::BFloat16* to, std::int64_t count) {
  at::vec::convert_from_float<c10::BFloat16>(values.low, values.high).store(to, static_cast<int>(count));
}

template <class Scalar>
VecPair load(const Scalar* from, std::int64_t count) {
  return count >= kPair ? load_pair(from) : load_part(from, count);
}
template <class Scalar>
void store(const VecPair& values, Scalar* to, std::int64_t count) {
  if (count >= kPair) {
    store_pair(values, to);
  } else {
    store_part(values, to, count);
  }
}

template <class Function>
VecPair each(const Function& function, const VecPair& a, const VecPair& b) {
  return {function(a.low, b.low), function(a.high, b.high)};
}
VecPair operator*(const VecPair& a, const VecPair& b) {
  return {a.low * b.low, a.high * b.high};
}

FloatVec sigmoid(const FloatVec& x) {
  return FloatVec(1.f) / (FloatVec(1.f) + x.neg().exp_u20());
}

}  // namespace

void causal_softmax_rows(c10::BFloat16* scores, std::int64_t width, float scale, std::int64_t begin, std::int64_t end,
                         float* scratch) {
  for (std::int64_t r = begin; r < end; ++r) {
    c10::BFloat16* row = scores + r * width;
    const std::int64_t count = r % width + 1;
    const std::int64_t padded = (count + kPair - 1) / kPair * kPair;
    for (std::int64_t i = 0; i < count; i += kPair) store_pair(load(row + i, count - i), scratch + i);
    std::fill(scratch + count, scratch + padded, kNothing);
    FloatVec maximum = FloatVec::loadu(scratch);
    for (std::int64_t i = kLanes; i < padded; i += kLanes) {
      maximum = at::vec::maximum(maximum, FloatVec::loadu(scratch + i));
    }
    const FloatVec top(
        at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return at::vec::maximum(a, b); }, maximum));
    const FloatVec scales(scale);
    FloatVec sum(0.f);
    for (std::int64_t i = 0; i < padded; i += kLanes) {
      const FloatVec weight = ((FloatVec::loadu(scratch + i) - top) * scales).exp_u20();
      weight.store(scratch + i);
      sum = sum + weight;
    }
    // exp_u20 makes a large number of NaN: top - top keeps a row that holds one, or an infinity, from passing as
    // finite.
    const FloatVec inverse((FloatVec(1.f) + (top - top)) / FloatVec(sum_of(sum)));
    for (std::int64_t i = 0; i < count; i += kPair) {
      store(load_pair(scratch + i) * VecPair{inverse, inverse}, row + i, count - i);
    }
    std::fill(row + count, row + width, c10::BFloat16(0.f));
  }
}

void causal_softmax_backward_rows(const c10::BFloat16* probabilities, c10::BFloat16* gradient, std::int64_t width,
                                  float scale, std::int64_t begin, std::int64_t end) {
  const FloatVec scales(scale);
  for (std::int64_t r = begin; r < end; ++r) {
    const c10::BFloat16* p = probabilities + r * width;
    c10::BFloat16* g = gradient + r * width;
    const std::int64_t count = r % width + 1;
    FloatVec sum(0.f);
    for (std::int64_t i = 0; i < count; i += kPair) {
      const VecPair product = load(p + i, count - i) * load(g + i, count - i);
      sum = sum + product.low + product.high;
    }
    const FloatVec mean(sum_of(sum));
    const auto step = [&](const FloatVec& pi, const FloatVec& gi) { return scales * pi * (gi - mean); };
    for (std::int64_t i = 0; i < count; i += kPair) {
      store(each(step, load(p + i, count - i), load(g + i, count - i)), g + i, count - i);
    }
    std::fill(g + count, g + width, c10::BFloat16(0.f));
  }
}

template <class Scalar>
void rms_norm_rows(const Scalar* x, const Scalar* weight, Scalar* y, float* inverse_rms, std::int64_t width,
                   float epsilon, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const Scalar* row = x + r * width;
    FloatVec sum(0.f);
    for (std::int64_t i = 0; i < width; i += kPair) {
      const VecPair values = load(row + i, width - i);
      sum = at::vec::fmadd(values.low, values.low, at::vec::fmadd(values.high, values.high, sum));
    }
    inverse_rms[r] = 1 / std::sqrt(sum_of(sum) / static_cast<float>(width) + epsilon);
    const FloatVec inverse(inverse_rms[r]);
    for (std::int64_t i = 0; i < width; i += kPair) {
      const VecPair scaled = load(row + i, width - i) * VecPair{inverse, inverse};
      store(scaled * load(weight + i, width - i), y + r * width + i, width - i);
    }
  }
}

template <class Scalar>
void rms_norm_backward_rows(const Scalar* gradient, const Scalar* x, const Scalar* weight, const float* inverse_rms,
                            Scalar* x_gradient, float* weight_gradient, std::int64_t width, std::int64_t begin,
                            std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const Scalar *g = gradient + r * width, *row = x + r * width;
    const FloatVec inverse(inverse_rms[r]);
    const VecPair inverses{inverse, inverse};
    FloatVec sum(0.f);
    for (std::int64_t i = 0; i < width; i += kPair) {
      const std::int64_t count = width - i;
      const VecPair normal = load(row + i, count) * inverses, gi = load(g + i, count);
      const VecPair along = gi * normal;
      const VecPair weighted = along * load(weight + i, count);
      sum = sum + weighted.low + weighted.high;
      if (weight_gradient != nullptr) {
        const VecPair old = load(weight_gradient + i, count);
        store(VecPair{old.low + along.low, old.high + along.high}, weight_gradient + i, count);
      }
    }
    if (x_gradient == nullptr) continue;
    const FloatVec mean(sum_of(sum) / static_cast<float>(width));
    const auto step = [&](const FloatVec& gw, const FloatVec& normal) { return inverse * (gw - normal * mean); };
    for (std::int64_t i = 0; i < width; i += kPair) {
      const std::int64_t count = width - i;
      const VecPair gw = load(g + i, count) * load(weight + i, count);
      store(each(step, gw, load(row + i, count) * inverses), x_gradient + r * width + i, count);
    }
  }
}

template <class Scalar>
void silu_product(const Scalar* gate, const Scalar* up, Scalar* y, std::int64_t begin, std::int64_t end) {
  const auto step = [](const FloatVec& a, const FloatVec& b) { return a * sigmoid(a) * b; };
  for (std::int64_t i = begin; i < end; i += kPair) {
    store(each(step, load(gate + i, end - i), load(up + i, end - i)), y + i, end - i);
  }
}

template <class Scalar>
void silu_product_backward(const Scalar* gradient, const Scalar* gate, const Scalar* up, Scalar* gate_gradient,
                           Scalar* up_gradient, std::int64_t begin, std::int64_t end) {
  const FloatVec one(1.f);
  const auto slope = [&](const FloatVec& a, const FloatVec& b) {
    const FloatVec s = sigmoid(a);
    return b * s * (one + a * (one - s));
  };
  for (std::int64_t i = begin; i < end; i += kPair) {
    const std::int64_t count = end - i;
    const VecPair a = load(gate + i, count), b = load(up + i, count), g = load(gradient + i, count);
    store(g * each(slope, a, b), gate_gradient + i, count);
    store(g * VecPair{a.low * sigmoid(a.low), a.high * sigmoid(a.high)}, up_gradient + i, count);
  }
}

template <class Scalar>
void rotate_rows(const Scalar* x, const float* cosine, const float* sine, Scalar* y, std::int64_t positions,
                 std::int64_t heads, std::int64_t head_dim, float direction, std::int64_t begin, std::int64_t end) {
  const std::int64_t half = head_dim / 2;
  const VecPair directions{FloatVec(direction), FloatVec(direction)};
  const auto minus = [](const FloatVec& a, const FloatVec& b) { return a - b; };
  const auto plus = [](const FloatVec& a, const FloatVec& b) { return a + b; };
  for (std::int64_t r = begin; r < end; ++r) {
    const float *c = cosine + r % positions * half, *s = sine + r % positions * half;
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t start = (r * heads + head) * head_dim;
      for (std::int64_t i = 0; i < half; i += kPair) {
        const std::int64_t count = half - i;
        const VecPair a = load(x + start + i, count), b = load(x + start + half + i, count);
        const VecPair ci = load(c + i, count), si = load(s + i, count) * directions;
        store(each(minus, a * ci, b * si), y + start + i, count);
        store(each(plus, b * ci, a * si), y + start + half + i, count);
      }
    }
  }
}

template void rms_norm_rows(const float*, const float*, float*, float*, std::int64_t, float, std::int64_t,
                            std::int64_t);
template void rms_norm_backward_rows(const float*, const float*, const float*, const float*, float*, float*,
                                     std::int64_t, std::int64_t, std::int64_t);
template void silu_product(const float*, const float*, float*, std::int64_t, std::int64_t);
template void silu_product_backward(const float*, const float*, const float*, float*, float*, std::int64_t,
                                    std::int64_t);
template void rotate_rows(const float*, const float*, const float*, float*, std::int64_t, std::int64_t, std::int64_t,
                          float, std::int64_t, std::int64_t);
template void rms_norm_rows(const c10::BFloat16*, const c10::BFloat16*, c10::BFloat16*, float*, std::int64_t, float,
                            std::int64_t, std::int64_t);
template void rms_norm_backward_rows(const c10::BFloat16*, const c10::BFloat16*, const c10::BFloat16*, const float*,
                                     c10::BFloat16*, float*, std::int64_t, std::int64_t, std::int64_t);
template void silu_product(const c10::BFloat16*, const c10::BFloat16*, c10::BFloat16*, std::int64_t, std::int64_t);
template void silu_product_backward(const c10::BFloat16*, const c10::BFloat16*, const c10::BFloat16*, c10::BFloat16*,
                                    c10::BFloat16*, std::int64_t, std::int64_t);
template void rotate_rows(const c10::BFloat16*, const float*, const float*, c10::BFloat16*, std::int64_t, std::int64_t,
                          std::int64_t, float, std::int64_t, std::int64_t);

}  // namespace drystill::kernels::cpu
