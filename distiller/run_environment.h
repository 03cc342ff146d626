#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/progress.h"
#include "distiller/loop.h"
#include "distiller/run_options.h"
#include "generator/rollouts/prompt_source.h"
#include "journal/journal.h"
#include "vision/datasets/dataset.h"

namespace drystill::distiller {

// Whom a run tells while it is prepared, and how it opens real data.
struct RunInputs {
  Progress& progress;
  vision::DatasetOpener open_dataset;
  generator::TextOpener open_texts;
};

// What a run is given from outside: where to write, whom to tell, how to open real data.
struct RunEnvironment {
  std::filesystem::path folder;
  journal::Journal& journal;
  Progress& progress;
  vision::DatasetOpener open_dataset;
  generator::TextOpener open_texts;
  std::string recipe;   // the resolved configuration, YAML
  std::string command;  // the command line that began the run

  RunInputs inputs() const { return {progress, open_dataset, open_texts}; }
};

// What a run leaves behind.
struct TrainingResult {
  RunResult loop;
  std::filesystem::path model;                               // the trained model: a file, or a Hugging Face folder
  std::vector<std::pair<std::string, std::int64_t>> counts;  // parameters, inputs synthesized
};

// A run before its first step: models and data are loaded and fit one another, nothing is written.
class PreparedRun {
 public:
  virtual ~PreparedRun() = default;
  // What is about to happen, named texts: ("teacher", "resnet20"), ("teacher_parameters", "272474"), ...
  virtual std::vector<std::pair<std::string, std::string>> plan() const = 0;
  // To its end; once.
  virtual TrainingResult run(const RunEnvironment& environment) = 0;
};

// What a run computes in: bfloat16 where it is asked for, but float32, and `progress` says so, where the device is too
// slow at it (has_fast_bfloat16).
torch::ScalarType compute_type(const PrecisionOptions& precision, torch::Device device, Progress& progress);

// Metadata of a trained model: where it came from, and how to make it again. The last evaluation's numbers stand under
// `evaluation_prefix`.
std::map<std::string, std::string> provenance(std::string_view task, const RunOptions& run, const RunResult& result,
                                              const std::string& evaluation_prefix, const RunEnvironment& environment);

}  // namespace drystill::distiller
