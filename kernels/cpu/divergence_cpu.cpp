#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/divergence_vec.h"
#include "kernels/divergence_parts.h"

namespace drystill::kernels::cpu {
namespace {

constexpr std::int64_t kValuesPerThread = 1 << 14;  // below this a second thread costs more than it saves

template <class Scalar>
DivergenceRows rows_of(const DivergenceRowsInput& input, const DivergenceOptions& options) {
  const std::int64_t rows = input.student.size(0), classes = input.student.size(1);
  const auto type = input.student.options().dtype(torch::kFloat32);
  DivergenceRows result{at::empty({rows}, type), {}, {}};
  if (input.student_gradient) result.student_gradient = at::empty({rows, classes}, type);
  if (input.teacher_gradient) result.teacher_gradient = at::empty({rows, classes}, type);

  const auto pointer = [](torch::Tensor& tensor) {
    return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
  };
  const LogitRows<Scalar> work{
      .student = input.student.const_data_ptr<Scalar>(),
      .teacher = input.teacher.const_data_ptr<Scalar>(),
      .weights = input.weights.defined() ? input.weights.const_data_ptr<float>() : nullptr,
      .loss = pointer(result.loss),
      .student_gradient = pointer(result.student_gradient),
      .teacher_gradient = pointer(result.teacher_gradient),
      .classes = classes,
      .kind = options.kind,
      .inverse_temperature = inverse_temperature(options),
      .factor = temperature_factor(options),
  };
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kValuesPerThread / classes),
                   [&](std::int64_t begin, std::int64_t end) {
                     std::vector<float> scratch(row_scratch_floats(classes));
                     evaluate_rows(work, begin, end, scratch.data());
                   });
  return result;
}

}  // namespace

DivergenceRows divergence_rows(const DivergenceRowsInput& input, const DivergenceOptions& options) {
  return input.student.scalar_type() == torch::kBFloat16 ? rows_of<c10::BFloat16>(input, options)
                                                         : rows_of<float>(input, options);
}

}  // namespace drystill::kernels::cpu
