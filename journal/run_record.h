#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "journal/metrics_reader.h"
#include "journal/run_folder.h"

namespace drystill::journal {

// A sample grid of a run: samples/<name>_<step>.png.
struct SamplePicture {
  std::string name;
  std::int64_t step = 0;
  std::filesystem::path path;
};

// What a run folder says about its run, read back for tables and reports.
struct RunRecord {
  std::string name;  // the folder's
  std::string config;
  std::vector<std::string> commands;  // one a start
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<RunStatus> status;
  bool in_use = false;
  std::vector<Series> series;
  std::vector<SamplePicture> samples;  // by name, then by step

  std::string state() const;   // "finished", ...; "killed" where it claims to run and no process holds it; "unknown"
  std::string seed() const;    // the configuration's `seed` or `run.seed`; "" where it has none
  double seconds() const;      // wall clock up to the last event
  std::int64_t steps() const;  // of the last event or the status, whichever is later
};

// Files that are missing leave their part empty: a killed run has a report too. Throws InputError where `folder` is no
// run folder, or a file in it is damaged.
RunRecord load_run(const std::filesystem::path& folder);

// What tables and reports look for among the series: the group "evaluation" of a run.
inline constexpr std::string_view kEvalGroup = "evaluation";
inline constexpr std::string_view kAccuracy = "accuracy";                 // of the student on real test data, 0 to 1
inline constexpr std::string_view kTeacherAccuracy = "teacher_accuracy";  // the same of the teacher
inline constexpr std::string_view kAgreement = "agreement";               // share of equal top-1 answers
inline constexpr std::string_view kLoyalty = "loyalty";                   // 1 - sqrt(Jensen-Shannon divergence)
inline constexpr std::string_view kKl = "kl";                             // KL(teacher || student), nats a token
inline constexpr std::string_view kPerplexity = "perplexity";             // of the student, on held-out text
inline constexpr std::string_view kTeacherPerplexity = "teacher_perplexity";

}  // namespace drystill::journal
