#include "distiller/run_environment.h"

#include <fmt/format.h>

namespace drystill::distiller {

std::map<std::string, std::string> provenance(std::string_view task, const RunOptions& run, const RunResult& result,
                                              const std::string& evaluation_prefix) {
  std::map<std::string, std::string> metadata = {{"drystill.task", std::string(task)},
                                                 {"drystill.run", run.name},
                                                 {"drystill.seed", std::to_string(run.seed)},
                                                 {"drystill.steps", std::to_string(result.steps)}};
  for (const auto& [name, value] : result.last_evaluation) {
    metadata[evaluation_prefix + name] = fmt::format("{:.4f}", value);
  }
  return metadata;
}

}  // namespace drystill::distiller
