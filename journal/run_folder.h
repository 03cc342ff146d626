#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drystill::journal {

// What to do when the folder of a new run holds something already.
enum class OnExists {
  kError,   // refuse
  kResume,  // continue that run; where there is none, begin it
  kNew,     // take the first free of name-2, name-3, ...
};
constexpr auto enum_names(OnExists) {
  return std::to_array<std::string_view>({"error", "resume", "new"});
}

enum class RunState { kRunning, kFinished, kFailed, kInterrupted, kDiverged };
constexpr auto enum_names(RunState) {
  return std::to_array<std::string_view>({"running", "finished", "failed", "interrupted", "diverged"});
}

// What a run is, as far as its folder must tell somebody who finds it a year later.
struct RunFacts {
  std::string config;        // the resolved configuration, YAML text; empty on resume: not compared
  std::string command;       // the command line
  std::string git_revision;  // "" where unknown
  std::int64_t threads = 0;  // 0 where unknown
  std::vector<std::pair<std::string, std::string>> versions;  // {"libtorch", "2.11.0"}, {"device", "cpu"}, ...
};

struct RunStatus {
  RunState state = RunState::kRunning;
  std::int64_t step = 0;  // of the end, or of the checkpoint that a resumed run would go on from
  std::int64_t pid = 0;
  std::string started;  // UTC, 2026-01-31T12:00:00Z; the first start of this run
  std::string updated;
  std::string message;  // why it failed; "" otherwise
};

// The folder of one run, locked for this process as long as the object lives:
//
//   config.yaml       the resolved configuration, written once
//   command.txt       one command line a start
//   environment.json  versions, processor, threads, date, one entry a start
//   status.json       replaced as a whole, so that a reader never sees half of it
//   metrics.jsonl, events.out.tfevents.*, log.txt      journal/journal.h
//   checkpoints/ samples/
//
// A run is never overwritten. RunError: the folder cannot be written, the disk is full, another process has the lock.
class RunFolder {
 public:
  // Begins a run in `wanted`, or does with what is there as `policy` says. Throws ConfigError where that holds a run
  // and the policy is kError, or where a resumed run had another configuration; InputError where it holds no run but
  // files.
  static RunFolder create(const std::filesystem::path& wanted, OnExists policy, const RunFacts& facts);
  // Continues the run in `wanted`. Throws InputError where there is none.
  static RunFolder resume(const std::filesystem::path& wanted, const RunFacts& facts);

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();

  // True where the folder held a run before: there may be checkpoints to load.
  bool resumed() const { return resumed_; }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path samples() const { return path_ / "samples"; }

  // The command line that began the run; empty where it is not known.
  std::string first_command() const;

  void set_status(RunState state, std::int64_t step, std::string_view message = {});

  // Takes back the run that `create` began, so that its folder is free again, where it has saved nothing: no metric, no
  // checkpoint, no sample. True where it did; the object is of no use then.
  bool remove_if_unused();

 private:
  RunFolder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  void begin(const RunFacts& facts);
  void continue_run(const RunFacts& facts);

  std::filesystem::path path_;
  int lock_ = -1;  // file descriptor that holds the lock
  bool resumed_ = false;
  bool made_ = false;  // the folder itself, not only its content
  std::string started_;
};

// What stands where a run is to begin.
enum class FolderState { kFree, kRun, kOther, kFile };  // nothing, a run, other files, no folder
FolderState look_at_folder(const std::filesystem::path& wanted);

// Whether `path` holds a run, whatever became of it.
bool is_run_folder(const std::filesystem::path& path);
// Whether some process writes to the run now. A run that says "running" and is not in use was killed.
bool is_in_use(const std::filesystem::path& path);
// The status of the run in `path`; nothing where it left none. Throws InputError where the file is damaged.
std::optional<RunStatus> read_status(const std::filesystem::path& path);

}  // namespace drystill::journal
