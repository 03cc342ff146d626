#include "kernels/cuda/divergence_launch.h"
#include "kernels/cuda/pack.cuh"

namespace drystill::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The threads that share a row: a warp, or the whole block for wide rows. Sums end in every thread, in a fixed order.
template <int kTeam>
__device__ float team_sum(float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, distance);
  }
  if constexpr (kTeam > kWarp) {
    __shared__ float of_warp[kTeam / kWarp];
    __syncthreads();  // an earlier sum may still be read
    if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = 0;
    for (int warp = 0; warp < kTeam / kWarp; ++warp) value += of_warp[warp];
  }
  return value;
}

template <int kTeam>
__device__ float team_maximum(float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, distance));
  }
  if constexpr (kTeam > kWarp) {
    __shared__ float of_warp[kTeam / kWarp];
    __syncthreads();
    if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = of_warp[0];
    for (int warp = 1; warp < kTeam / kWarp; ++warp) value = fmaxf(value, of_warp[warp]);
  }
  return value;
}

// log softmax of a row at a temperature: value(x) = (x / T - maximum) - log_sum, in that order to keep digits.
struct LogSoftmax {
  float inverse_temperature, maximum, log_sum;
  __device__ float operator()(float logit) const { return (logit * inverse_temperature - maximum) - log_sum; }
};

// One pass: each thread keeps a running maximum and rescales its sum when that grows.
template <int kTeam, class Scalar>
__device__ LogSoftmax log_softmax(const Scalar* row, std::int64_t classes, float inverse_temperature) {
  float maximum = -INFINITY, sum = 0;
  for (std::int64_t c = threadIdx.x; c < classes; c += kTeam) {
    const float x = to_float(row[c]) * inverse_temperature;
    if (x > maximum) {
      sum = sum * expf(maximum - x) + 1;
      maximum = x;
    } else {
      sum += expf(x - maximum);  // NaN comes this way and stays
    }
  }
  const float top = team_maximum<kTeam>(maximum);
  // A thread without a class holds (-inf, 0).
  const float total = team_sum<kTeam>(maximum == -INFINITY ? sum : sum * expf(maximum - top));
  return {inverse_temperature, top, logf(total)};
}

// One class: its share of the loss, and the derivatives of the loss with respect to the two arguments below.
struct Terms {
  float loss, by_student, by_teacher;
};

__device__ float clamped(float x) {
  return fminf(fmaxf(x, 0.01f), 0.99f);
}
__device__ float inside(float x) {
  return x >= 0.01f && x <= 0.99f ? 1.f : 0.f;
}

// Of log probabilities s and t. With A = dL/dlog p, the gradient with respect to the logits is A_c - p_c sum(A).
template <DivergenceKind kKind>
__device__ Terms terms(float s, float t) {
  if constexpr (kKind == DivergenceKind::kForwardKl) {
    const float q = expf(t), difference = t - s;
    return {q * difference, -q, q * (difference + 1)};
  } else if constexpr (kKind == DivergenceKind::kReverseKl) {
    const float p = expf(s), difference = s - t;
    return {p * difference, p * (difference + 1), -p};
  } else {
    const float p = expf(s), q = expf(t), m = 0.5f * (p + q);
    const float p_clamped = clamped(p), q_clamped = clamped(q), m_clamped = clamped(m);
    const float ratio = logf(m_clamped) - 0.5f * (logf(p_clamped) + logf(q_clamped));
    const float middle = 0.5f * inside(m) * (ratio + 1);
    return {m_clamped * ratio, p * (middle - inside(p) * 0.5f * m_clamped / p_clamped),
            q * (middle - inside(q) * 0.5f * m_clamped / q_clamped)};
  }
}

template <int kTeam, class Scalar, DivergenceKind kKind>
__device__ float probability_row(const Scalar* student, const Scalar* teacher, const DivergenceArrays& arrays,
                                 float scale, float* student_gradient, float* teacher_gradient) {
  const LogSoftmax log_p = log_softmax<kTeam>(student, arrays.classes, arrays.inverse_temperature);
  const LogSoftmax log_q = log_softmax<kTeam>(teacher, arrays.classes, arrays.inverse_temperature);
  Terms sums{0, 0, 0};
  for (std::int64_t c = threadIdx.x; c < arrays.classes; c += kTeam) {
    const Terms mine = terms<kKind>(log_p(to_float(student[c])), log_q(to_float(teacher[c])));
    sums.loss += mine.loss;
    sums.by_student += mine.by_student;
    sums.by_teacher += mine.by_teacher;
  }
  sums.loss = team_sum<kTeam>(sums.loss);
  if (student_gradient == nullptr && teacher_gradient == nullptr) return sums.loss;

  sums.by_student = team_sum<kTeam>(sums.by_student);
  sums.by_teacher = team_sum<kTeam>(sums.by_teacher);
  scale *= arrays.inverse_temperature;
  // The row is read again: it is still in cache, and needs no registers in between.
  for (std::int64_t c = threadIdx.x; c < arrays.classes; c += kTeam) {
    const float s = log_p(to_float(student[c])), t = log_q(to_float(teacher[c]));
    const Terms mine = terms<kKind>(s, t);
    if (student_gradient != nullptr) student_gradient[c] = scale * (mine.by_student - expf(s) * sums.by_student);
    if (teacher_gradient != nullptr) teacher_gradient[c] = scale * (mine.by_teacher - expf(t) * sums.by_teacher);
  }
  return sums.loss;
}

template <int kTeam, class Scalar, DivergenceKind kKind>
__device__ float logit_row(const Scalar* student, const Scalar* teacher, const DivergenceArrays& arrays, float scale,
                           float* student_gradient, float* teacher_gradient) {
  const float mean = 1 / static_cast<float>(arrays.classes);
  float sum = 0;
  for (std::int64_t c = threadIdx.x; c < arrays.classes; c += kTeam) {
    const float d = to_float(student[c]) - to_float(teacher[c]);
    const bool squared = kKind == DivergenceKind::kMse;
    sum += squared ? d * d : fabsf(d);
    const float sign = d > 0 ? 1.f : (d < 0 ? -1.f : 0.f);
    const float slope = scale * mean * (squared ? 2 * d : sign);
    if (student_gradient != nullptr) student_gradient[c] = slope;
    if (teacher_gradient != nullptr) teacher_gradient[c] = -slope;
  }
  return team_sum<kTeam>(sum) * mean;
}

// blockDim = (kTeam, kThreads / kTeam): one row for each threadIdx.y.
template <int kTeam, class Scalar, DivergenceKind kKind>
__global__ void __launch_bounds__(kThreads) divergence_rows(DivergenceArrays arrays) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= arrays.rows) return;  // whole teams leave together
  const float weight = arrays.weights != nullptr ? arrays.weights[row] : 1.f;
  const std::int64_t first = row * arrays.classes;
  float* student_gradient = arrays.student_gradient != nullptr ? arrays.student_gradient + first : nullptr;
  float* teacher_gradient = arrays.teacher_gradient != nullptr ? arrays.teacher_gradient + first : nullptr;
  if (weight == 0) {
    for (std::int64_t c = threadIdx.x; c < arrays.classes; c += kTeam) {
      if (student_gradient != nullptr) student_gradient[c] = 0;
      if (teacher_gradient != nullptr) teacher_gradient[c] = 0;
    }
    if (threadIdx.x == 0) arrays.loss[row] = 0;
    return;
  }
  const auto* student = static_cast<const Scalar*>(arrays.student) + first;
  const auto* teacher = static_cast<const Scalar*>(arrays.teacher) + first;
  const float scale = arrays.factor * weight;
  float loss;
  if constexpr (kKind == DivergenceKind::kL1 || kKind == DivergenceKind::kMse) {
    loss = logit_row<kTeam, Scalar, kKind>(student, teacher, arrays, scale, student_gradient, teacher_gradient);
  } else {
    loss = probability_row<kTeam, Scalar, kKind>(student, teacher, arrays, scale, student_gradient, teacher_gradient);
  }
  if (threadIdx.x == 0) arrays.loss[row] = scale * loss;
}

template <class Scalar, DivergenceKind kKind>
void launch(const DivergenceArrays& arrays, cudaStream_t stream) {
  constexpr std::int64_t kWarpRows = 1024;  // up to here a warp covers a row in 32 steps; wider rows get a block
  if (arrays.classes <= kWarpRows) {
    constexpr int kRows = kThreads / kWarp;
    const auto blocks = static_cast<unsigned>(ceil_div(arrays.rows, kRows));
    divergence_rows<kWarp, Scalar, kKind><<<blocks, dim3(kWarp, kRows), 0, stream>>>(arrays);
  } else {
    divergence_rows<kThreads, Scalar, kKind><<<static_cast<unsigned>(arrays.rows), kThreads, 0, stream>>>(arrays);
  }
}

template <class Scalar>
void launch_kind(const DivergenceArrays& arrays, cudaStream_t stream) {
  switch (arrays.kind) {
    case DivergenceKind::kForwardKl:
      return launch<Scalar, DivergenceKind::kForwardKl>(arrays, stream);
    case DivergenceKind::kReverseKl:
      return launch<Scalar, DivergenceKind::kReverseKl>(arrays, stream);
    case DivergenceKind::kJensenShannon:
      return launch<Scalar, DivergenceKind::kJensenShannon>(arrays, stream);
    case DivergenceKind::kL1:
      return launch<Scalar, DivergenceKind::kL1>(arrays, stream);
    case DivergenceKind::kMse:
      return launch<Scalar, DivergenceKind::kMse>(arrays, stream);
  }
}

}  // namespace

void launch_divergence(const DivergenceArrays& arrays, cudaStream_t stream) {
  if (arrays.storage == Storage::kFloat32) {
    launch_kind<float>(arrays, stream);
  } else {
    launch_kind<__nv_bfloat16>(arrays, stream);
  }
}

}  // namespace drystill::kernels::cuda
