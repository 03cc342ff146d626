#include "io/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/checkpoint_manifest.h"
#include "io/quote.h"
#include "io/safetensors.h"

namespace drystill::io {
namespace {

namespace fs = std::filesystem;

constexpr char kStateFile[] = "state.safetensors";
constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kUnfinished = ".tmp";  // being written, or being removed
constexpr std::string_view kReplaced = ".old";
// Sets values apart from what the format itself puts into the metadata.
constexpr std::string_view kValuePrefix = "value:";

std::string folder_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%08lld", static_cast<long long>(step));
  return name;
}

fs::path with_suffix(const fs::path& path, std::string_view suffix) {
  return fs::path(path) += suffix;
}

void remove_folder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw RunError("cannot remove " + quote(path.string()) + ": " + error.message());
}

// A kill while files are being removed must not leave a folder that still looks like a checkpoint.
void retire_folder(const fs::path& path) {
  const fs::path retired = with_suffix(path, kUnfinished);
  remove_folder(retired);
  rename_path(path, retired);
  remove_folder(retired);
}

struct Candidate {
  fs::path path;
  std::int64_t step;
  bool replaced;
};

// What the name of a folder says, or nothing where it is not one of ours.
std::optional<Candidate> parse_name(const fs::path& path) {
  std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const bool replaced = name.ends_with(kReplaced);
  if (replaced) name.resize(name.size() - kReplaced.size());
  const std::string_view digits = std::string_view(name).substr(kPrefix.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (error != std::errc() || end != digits.data() + digits.size() || name != folder_name(step)) return std::nullopt;
  return Candidate{path, step, replaced};
}

// Newest first; of one step, the one that was not replaced first. Unfinished ones are left out.
std::vector<Candidate> candidates(const fs::path& folder) {
  std::vector<Candidate> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (auto candidate = parse_name(entry->path())) found.push_back(std::move(*candidate));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw InputError("cannot list the checkpoints in " + quote(folder.string()) + ": " + error.message());
  }
  std::ranges::sort(found, [](const Candidate& a, const Candidate& b) {
    return std::pair(-a.step, a.replaced) < std::pair(-b.step, b.replaced);
  });
  return found;
}

bool is_valid(const fs::path& checkpoint, ManifestCheck check) {
  try {
    check_manifest(checkpoint, check);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace

fs::path save_checkpoint(const fs::path& folder, std::int64_t step, const State& state) {
  if (step < 0) throw RunError("a checkpoint needs a step of at least 0, got " + std::to_string(step));
  std::error_code error;
  fs::create_directories(folder, error);
  fs::path final_path = folder / folder_name(step);
  const fs::path unfinished = with_suffix(final_path, kUnfinished);
  const fs::path replaced = with_suffix(final_path, kReplaced);
  if (!error) {
    remove_folder(unfinished);
    fs::create_directory(unfinished, error);
  }
  if (error) {
    throw RunError("cannot make the checkpoint folder " + quote(unfinished.string()) + ": " + error.message() +
                   "; choose a folder that you may write to");
  }
  try {
    std::map<std::string, std::string> metadata;
    for (const auto& [name, value] : state.values) metadata[std::string(kValuePrefix) + name] = value;
    write_safetensors(unfinished / kStateFile, state.tensors, std::move(metadata));
    write_manifest(unfinished, step, {kStateFile});
  } catch (...) {
    fs::remove_all(unfinished, error);  // the first error is the one to report
    throw;
  }
  // Every stage between these renames leaves a complete checkpoint under one of the names that `candidates` sees.
  if (fs::exists(final_path)) {
    if (fs::exists(replaced)) retire_folder(replaced);
    rename_path(final_path, replaced);
  }
  rename_path(unfinished, final_path);
  sync_folder(folder);
  if (fs::exists(replaced)) retire_folder(replaced);
  return final_path;
}

Checkpoint load_checkpoint(const fs::path& checkpoint) {
  Checkpoint result;
  if (!fs::is_directory(checkpoint)) {
    throw InputError("there is no checkpoint folder " + quote(checkpoint.string()));
  }
  result.step = check_manifest(checkpoint, ManifestCheck::kContents);
  TensorFile file = read_safetensors(checkpoint / kStateFile);
  result.state.tensors = std::move(file.tensors);
  for (auto& [name, value] : file.metadata) {
    if (name.starts_with(kValuePrefix)) result.state.values[name.substr(kValuePrefix.size())] = std::move(value);
  }
  return result;
}

std::int64_t checkpoint_step(const fs::path& checkpoint) {
  const auto name = parse_name(checkpoint);
  if (!name) throw InputError(quote(checkpoint.string()) + ": no checkpoint; its name must be step_<number>");
  return name->step;
}

std::optional<fs::path> latest_checkpoint(const fs::path& folder,
                                          const std::function<void(const std::string& why)>& passed_over) {
  std::string newest;  // what is wrong with it
  for (const Candidate& candidate : candidates(folder)) {
    try {
      check_manifest(candidate.path, ManifestCheck::kContents);
      return candidate.path;
    } catch (const InputError& error) {
      if (newest.empty()) newest = error.what();
      if (passed_over) passed_over(error.what());
    }
  }
  if (!newest.empty()) {
    throw InputError("no checkpoint in " + quote(folder.string()) + " can be used: " + newest +
                     "; begin another run, or put an undamaged checkpoint there");
  }
  return std::nullopt;
}

void prune_checkpoints(const fs::path& folder, std::int64_t keep) {
  std::int64_t kept = 0;
  std::optional<std::int64_t> last_step;
  for (const Candidate& candidate : candidates(folder)) {
    // Only complete ones count: damaged ones must not push the last good one out.
    const bool is_new = candidate.step != last_step && is_valid(candidate.path, ManifestCheck::kSizes);
    if (is_new && kept < std::max<std::int64_t>(keep, 1)) {
      ++kept;
      last_step = candidate.step;
    } else {
      retire_folder(candidate.path);
    }
  }
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kUnfinished)) unfinished.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) remove_folder(path);
}

}  // namespace drystill::io
