#include <ATen/ops/empty.h>

#include "kernels/cuda/device_context.h"
#include "kernels/cuda/divergence_launch.h"
#include "kernels/divergence_parts.h"

namespace drystill::kernels::cuda {

DivergenceRows divergence_rows(const DivergenceRowsInput& input, const DivergenceOptions& options) {
  const DeviceContext device(input.student);
  const std::int64_t rows = input.student.size(0), classes = input.student.size(1);
  const auto type = input.student.options().dtype(torch::kFloat32);
  DivergenceRows result{at::empty({rows}, type), {}, {}};
  if (input.student_gradient) result.student_gradient = at::empty({rows, classes}, type);
  if (input.teacher_gradient) result.teacher_gradient = at::empty({rows, classes}, type);

  const auto pointer = [](torch::Tensor& tensor) {
    return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
  };
  launch_divergence({.student = input.student.const_data_ptr(),
                     .teacher = input.teacher.const_data_ptr(),
                     .storage = storage_of(input.student),
                     .weights = input.weights.defined() ? input.weights.const_data_ptr<float>() : nullptr,
                     .loss = pointer(result.loss),
                     .student_gradient = pointer(result.student_gradient),
                     .teacher_gradient = pointer(result.teacher_gradient),
                     .rows = rows,
                     .classes = classes,
                     .kind = options.kind,
                     .inverse_temperature = inverse_temperature(options),
                     .factor = temperature_factor(options)},
                    device.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return result;
}

}  // namespace drystill::kernels::cuda
