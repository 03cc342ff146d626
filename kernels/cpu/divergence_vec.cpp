#include "kernels/cpu/divergence_vec.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vec_pair.h"

namespace drystill::kernels::cpu {
namespace {

// A row is padded to whole vectors with this logit: its probability is 0, and it is still finite, so that
// 0 * (difference of two paddings) is 0 and not NaN.
constexpr float kPadding = -1e30f;

std::int64_t padded(std::int64_t classes) {
  return (classes + kPair - 1) / kPair * kPair;
}

template <class Scalar>
void load_row(const Scalar* from, std::int64_t classes, float scale, float padding, float* to) {
  const FloatVec scales(scale);
  std::int64_t i = 0;
  for (; i + kPair <= classes; i += kPair) {
    const VecPair x = load_pair(from + i);
    store_pair({x.low * scales, x.high * scales}, to + i);
  }
  for (; i < classes; ++i) to[i] = static_cast<float>(from[i]) * scale;
  std::fill(to + classes, to + padded(classes), padding);
}

float sum_of(const FloatVec& values) {
  return at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, values);
}

void store_row(const FloatVec& values, float* row, std::int64_t i, std::int64_t classes) {
  if (i < classes) values.store(row + i, static_cast<int>(std::min(kLanes, classes - i)));
}

// softmax of one row: `logits` becomes logit - maximum, `weights` exp of that. Probability = weight * inverse_sum.
struct Softmax {
  float inverse_sum, log_sum;
};

Softmax softmax(float* logits, float* weights, std::int64_t size) {
  FloatVec maximum = FloatVec::loadu(logits);
  for (std::int64_t i = kLanes; i < size; i += kLanes) {
    maximum = at::vec::maximum(maximum, FloatVec::loadu(logits + i));
  }
  const FloatVec top(
      at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return at::vec::maximum(a, b); }, maximum));
  FloatVec sum(0.f);
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const FloatVec centered = FloatVec::loadu(logits + i) - top;
    const FloatVec weight = centered.exp();
    centered.store(logits + i);
    weight.store(weights + i);
    sum = sum + weight;
  }
  const float total = sum_of(sum);
  return {1 / total, std::log(total)};
}

struct RowBuffers {
  float *student, *teacher, *student_weights, *teacher_weights;
};

// What a row function returns through: gradients of scale * loss, null where not wanted.
struct RowGradients {
  float *student, *teacher;
  float scale;
};

// KL(a || b) over two rows: d/d(logits of b) = b - a, d/d(logits of a) = a (log a - log b - KL), both over T.
float kl_row(float* a, float* b, float* a_weights, float* b_weights, std::int64_t classes, float inverse_temperature,
             float* a_gradient, float* b_gradient, float scale) {
  const std::int64_t size = padded(classes);
  const Softmax of_a = softmax(a, a_weights, size), of_b = softmax(b, b_weights, size);
  const FloatVec a_inverse(of_a.inverse_sum), b_inverse(of_b.inverse_sum), log_ratio(of_a.log_sum - of_b.log_sum);
  const FloatVec gradient_scale(scale * inverse_temperature);
  FloatVec sum(0.f);
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const FloatVec p = FloatVec::loadu(a_weights + i) * a_inverse;
    const FloatVec difference = FloatVec::loadu(a + i) - FloatVec::loadu(b + i) - log_ratio;  // log a - log b
    sum = at::vec::fmadd(p, difference, sum);
    if (b_gradient != nullptr) {
      const FloatVec q = FloatVec::loadu(b_weights + i) * b_inverse;
      store_row(gradient_scale * (q - p), b_gradient, i, classes);
    }
    if (a_gradient != nullptr) {
      p.store(a_weights + i);
      difference.store(a + i);
    }
  }
  const float kl = sum_of(sum);
  if (a_gradient != nullptr) {
    const FloatVec mean(kl);
    for (std::int64_t i = 0; i < size; i += kLanes) {
      store_row(gradient_scale * FloatVec::loadu(a_weights + i) * (FloatVec::loadu(a + i) - mean), a_gradient, i,
                classes);
    }
  }
  return kl;
}

// 1 where low <= x <= high: the gradient of a clamp.
FloatVec inside(const FloatVec& x) {
  const FloatVec one(1.f), low(0.01f), high(0.99f);
  return ((x >= low) & (x <= high)) & one;
}

FloatVec clamped(const FloatVec& x) {
  return at::vec::clamp(x, FloatVec(0.01f), FloatVec(0.99f));
}

// Backward of a softmax: probabilities * (gradient - sum of probabilities * gradient).
void softmax_gradient(const float* probabilities, const float* gradient, float dot, float scale, std::int64_t classes,
                      float* output) {
  const FloatVec dots(dot), scales(scale);
  for (std::int64_t i = 0; i < classes; i += kLanes) {
    store_row(scales * FloatVec::loadu(probabilities + i) * (FloatVec::loadu(gradient + i) - dots), output, i, classes);
  }
}

float jensen_shannon_row(const RowBuffers& row, std::int64_t classes, float inverse_temperature,
                         const RowGradients& gradients) {
  const std::int64_t size = padded(classes);
  const Softmax student = softmax(row.student, row.student_weights, size);
  const Softmax teacher = softmax(row.teacher, row.teacher_weights, size);
  const FloatVec half(0.5f), one(1.f);
  FloatVec sum(0.f), student_dot(0.f), teacher_dot(0.f);
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const FloatVec p = FloatVec::loadu(row.student_weights + i) * FloatVec(student.inverse_sum);
    const FloatVec q = FloatVec::loadu(row.teacher_weights + i) * FloatVec(teacher.inverse_sum);
    const FloatVec m = half * (p + q);
    const FloatVec p_clamped = clamped(p), q_clamped = clamped(q), m_clamped = clamped(m);
    const FloatVec log_ratio = m_clamped.log() - half * (p_clamped.log() + q_clamped.log());
    sum = at::vec::fmadd(m_clamped, log_ratio, sum);
    // d/dm' = log m' - (log p' + log q') / 2 + 1, d/dp' = -m' / (2 p'), each through its clamp.
    const FloatVec through_middle = half * inside(m) * (log_ratio + one);
    const FloatVec student_gradient = through_middle - inside(p) * half * m_clamped / p_clamped;
    const FloatVec teacher_gradient = through_middle - inside(q) * half * m_clamped / q_clamped;
    student_dot = at::vec::fmadd(p, student_gradient, student_dot);
    teacher_dot = at::vec::fmadd(q, teacher_gradient, teacher_dot);
    p.store(row.student_weights + i);
    q.store(row.teacher_weights + i);
    student_gradient.store(row.student + i);
    teacher_gradient.store(row.teacher + i);
  }
  const float scale = gradients.scale * inverse_temperature;
  if (gradients.student != nullptr) {
    softmax_gradient(row.student_weights, row.student, sum_of(student_dot), scale, classes, gradients.student);
  }
  if (gradients.teacher != nullptr) {
    softmax_gradient(row.teacher_weights, row.teacher, sum_of(teacher_dot), scale, classes, gradients.teacher);
  }
  return sum_of(sum);
}

// Mean over classes of |d| or d^2, d = student - teacher.
template <bool kSquared>
float elementwise_row(const RowBuffers& row, std::int64_t classes, const RowGradients& gradients) {
  const float mean = 1 / static_cast<float>(classes);
  const FloatVec zero(0.f), one(1.f), scale(gradients.scale * mean);
  FloatVec sum(0.f);
  for (std::int64_t i = 0; i < padded(classes); i += kLanes) {
    const FloatVec d = FloatVec::loadu(row.student + i) - FloatVec::loadu(row.teacher + i);
    FloatVec slope;
    if constexpr (kSquared) {
      sum = at::vec::fmadd(d, d, sum);
      slope = d + d;
    } else {
      sum = sum + d.abs();
      slope = ((d > zero) & one) - ((d < zero) & one);
    }
    if (gradients.student != nullptr) store_row(scale * slope, gradients.student, i, classes);
    if (gradients.teacher != nullptr) store_row(zero - scale * slope, gradients.teacher, i, classes);
  }
  return sum_of(sum) * mean;
}

float evaluate_row(DivergenceKind kind, const RowBuffers& row, std::int64_t classes, float inverse_temperature,
                   const RowGradients& gradients) {
  switch (kind) {
    case DivergenceKind::kForwardKl:
      return kl_row(row.teacher, row.student, row.teacher_weights, row.student_weights, classes, inverse_temperature,
                    gradients.teacher, gradients.student, gradients.scale);
    case DivergenceKind::kReverseKl:
      return kl_row(row.student, row.teacher, row.student_weights, row.teacher_weights, classes, inverse_temperature,
                    gradients.student, gradients.teacher, gradients.scale);
    case DivergenceKind::kJensenShannon:
      return jensen_shannon_row(row, classes, inverse_temperature, gradients);
    case DivergenceKind::kL1:
      return elementwise_row<false>(row, classes, gradients);
    case DivergenceKind::kMse:
      break;
  }
  return elementwise_row<true>(row, classes, gradients);
}

}  // namespace

std::int64_t row_scratch_floats(std::int64_t classes) {
  return 4 * padded(classes);
}

template <class Scalar>
void evaluate_rows(const LogitRows<Scalar>& rows, std::int64_t begin, std::int64_t end, float* scratch) {
  const std::int64_t classes = rows.classes, size = padded(classes);
  const RowBuffers buffers{scratch, scratch + size, scratch + 2 * size, scratch + 3 * size};
  const bool on_logits = rows.kind == DivergenceKind::kL1 || rows.kind == DivergenceKind::kMse;
  const float padding = on_logits ? 0.f : kPadding;
  for (std::int64_t n = begin; n < end; ++n) {
    const float weight = rows.weights != nullptr ? rows.weights[n] : 1.f;
    const auto row_of = [&](float* gradient) { return gradient != nullptr ? gradient + n * classes : nullptr; };
    const RowGradients gradients{row_of(rows.student_gradient), row_of(rows.teacher_gradient), rows.factor * weight};
    if (weight == 0) {
      rows.loss[n] = 0;
      for (float* gradient : {gradients.student, gradients.teacher}) {
        if (gradient != nullptr) std::fill_n(gradient, classes, 0.f);
      }
      continue;
    }
    load_row(rows.student + n * classes, classes, rows.inverse_temperature, padding, buffers.student);
    load_row(rows.teacher + n * classes, classes, rows.inverse_temperature, padding, buffers.teacher);
    rows.loss[n] = gradients.scale * evaluate_row(rows.kind, buffers, classes, rows.inverse_temperature, gradients);
  }
}

template void evaluate_rows(const LogitRows<float>&, std::int64_t, std::int64_t, float*);
template void evaluate_rows(const LogitRows<c10::BFloat16>&, std::int64_t, std::int64_t, float*);

}  // namespace drystill::kernels::cpu
