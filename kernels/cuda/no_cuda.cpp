// Stands in for the CUDA sources in a build without CUDA.
#include "core/error.h"
#include "kernels/batch_statistics_parts.h"
#include "kernels/divergence_parts.h"

namespace drystill::kernels::cuda {
namespace {

[[noreturn]] void refuse(const char* where) {
  throw RunError(std::string("[kernels.") + where +
                 "] got a CUDA tensor, but this program was built without CUDA; configure with -DDRYSTILL_CUDA=ON");
}

}  // namespace

BatchStatistics batch_statistics(const DenseInput&) {
  refuse("batch_statistics");
}

DistanceTerms distance_terms(const BatchStatistics&, const torch::Tensor&, const torch::Tensor&, std::int64_t) {
  refuse("batch_norm_distance");
}

torch::Tensor channel_affine(const DenseInput&, const torch::Tensor&, const torch::Tensor&, const torch::Tensor&,
                             const torch::Tensor&) {
  refuse("batch_statistics");
}

DivergenceRows divergence_rows(const DivergenceRowsInput&, const DivergenceOptions&) {
  refuse("divergence");
}

}  // namespace drystill::kernels::cuda
