#include "distiller/run_environment.h"

#include <fmt/format.h>

#include "core/device.h"
#include "core/utf8.h"

namespace drystill::distiller {

torch::ScalarType compute_type(const PrecisionOptions& precision, torch::Device device, Progress& progress) {
  if (!precision.bfloat16) return torch::kFloat32;
  if (has_fast_bfloat16(device)) return torch::kBFloat16;
  progress.message(
      "precision.bfloat16: this processor has no AVX-512, without which bfloat16 is slow; computing in float32");
  return torch::kFloat32;
}

std::map<std::string, std::string> provenance(std::string_view task, const RunOptions& run, const RunResult& result,
                                              const std::string& evaluation_prefix, const RunEnvironment& environment) {
  std::map<std::string, std::string> metadata = {{"drystill.task", std::string(task)},
                                                 {"drystill.run", run.name},
                                                 {"drystill.seed", std::to_string(run.seed)},
                                                 {"drystill.steps", std::to_string(result.steps)}};
  // A command line is any bytes, and the metadata of a file of weights is UTF-8.
  if (!environment.recipe.empty()) metadata["drystill.recipe"] = valid_utf8(environment.recipe);
  if (!environment.command.empty()) metadata["drystill.command"] = valid_utf8(environment.command);
  for (const auto& [name, value] : result.last_evaluation) {
    metadata[evaluation_prefix + name] = fmt::format("{:.4f}", value);
  }
  return metadata;
}

}  // namespace drystill::distiller
