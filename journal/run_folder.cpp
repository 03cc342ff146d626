#include "journal/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/fields.h"
#include "io/atomic_file.h"
#include "journal/environment.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kLockName = ".lock";

std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// flock(2) that waits for a moment: `is_in_use` of another process has the lock while it looks. 0, or the error.
int lock_file(int file) {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + std::chrono::milliseconds(200);
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK || steady_clock::now() >= end) return error;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return 0;
}

// Takes the lock of a folder that exists. The lock goes with the process, however it ends.
int lock_folder(const fs::path& folder) {
  const fs::path path = folder / kLockName;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) throw_errno("write", path, errno);
  if (const int error = lock_file(file); error != 0) {
    ::close(file);
    if (error == EWOULDBLOCK) {
      throw RunError("the run folder " + folder.string() +
                     " is in use by another process; wait for it, or choose another folder with --out");
    }
    throw_errno("lock", path, error);
  }
  return file;
}

// But for hidden files: a process that died at once leaves its lock and a temporary file behind.
bool holds_nothing(const fs::path& folder) {
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(), [](const fs::directory_entry& entry) {
    return entry.path().filename().string().starts_with('.');
  });
}

[[noreturn]] void throw_folder_error(const fs::path& path, int error) {
  throw RunError("cannot make the folder " + path.string() + ": " + std::generic_category().message(error) +
                 "; choose another with --out");
}

// True where this call made the folder; false where something of that name was there.
bool make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return true;
  if (errno != EEXIST) throw_folder_error(path, errno);
  return false;
}

// "runs/a/" -> "runs/a": a trailing slash would make name-2 a folder inside.
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

fs::path make_numbered_folder(const fs::path& path) {
  constexpr int kMost = 9999;
  for (int number = 2; number <= kMost; ++number) {
    fs::path candidate = path.string() + "-" + std::to_string(number);
    if (make_folder(candidate)) return candidate;
  }
  throw RunError("no free name left from " + path.string() + "-2 to -" + std::to_string(kMost) +
                 "; choose another with --out");
}

std::string first_difference(const std::string& before, const std::string& now) {
  const auto line_at = [](const std::string& text, std::size_t begin) {
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  const auto [a, b] = std::mismatch(before.begin(), before.end(), now.begin(), now.end());
  const auto begin = before.rfind('\n', static_cast<std::size_t>(a - before.begin()) - (a == before.begin() ? 0 : 1));
  const std::size_t start = a == before.begin() || begin == std::string::npos ? 0 : begin + 1;
  const auto line = std::count(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(start), '\n') + 1;
  return ":" + std::to_string(line) + ": the run was made with '" + line_at(before, start) + "', now asked for '" +
         line_at(now, start) + "'";
}

}  // namespace

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      resumed_(other.resumed_),
      made_(other.made_),
      started_(std::move(other.started_)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

RunFolder RunFolder::create(const fs::path& wanted, OnExists policy, const RunFacts& facts) {
  fs::path path = without_trailing_slash(wanted);
  std::error_code error;
  if (path.has_parent_path() && !fs::create_directories(path.parent_path(), error) && error) {
    throw_folder_error(path.parent_path(), error.value());
  }
  bool made = make_folder(path);
  if (!made) {
    const FolderState found = look_at_folder(path);
    if (found == FolderState::kFile) throw InputError(path.string() + " is a file, expected a folder for the run");
    const bool is_run = found == FolderState::kRun;
    if (is_run && policy == OnExists::kResume) return resume(path, facts);
    if (found != FolderState::kFree) {
      if (policy == OnExists::kNew) {
        path = make_numbered_folder(path);
        made = true;
      } else if (is_run) {
        throw ConfigError("the run folder " + path.string() +
                          " exists; use --on-exists resume to continue it, --on-exists new for a new one beside it");
      } else {
        throw InputError("the folder " + path.string() + " holds files but no run; choose another with --out");
      }
    }
  }
  RunFolder folder(path, lock_folder(path));
  // Between the look and the lock another process may have begun a run here.
  if (is_run_folder(path)) throw RunError("the run folder " + path.string() + " was taken by another process just now");
  folder.made_ = made;
  folder.begin(facts);
  return folder;
}

RunFolder RunFolder::resume(const fs::path& wanted, const RunFacts& facts) {
  const fs::path path = without_trailing_slash(wanted);
  if (!is_run_folder(path)) throw InputError("no run to resume in " + path.string() + ": it has no config.yaml");
  RunFolder folder(path, lock_folder(path));
  folder.resumed_ = true;
  folder.continue_run(facts);
  return folder;
}

void RunFolder::begin(const RunFacts& facts) {
  // First: a folder with a configuration is a run and can be resumed, whenever the process dies.
  io::write_file(config(), facts.config);
  make_folder(checkpoints());
  make_folder(samples());
  started_ = utc_now();
  append_text(path_ / "command.txt", facts.command + "\n");
  write_environment(path_ / "environment.json", facts);
  set_status(RunState::kRunning, 0);
}

void RunFolder::continue_run(const RunFacts& facts) {
  if (!facts.config.empty()) {
    const std::string before = read_text(config());
    if (before != facts.config) {
      throw ConfigError(config().string() + first_difference(before, facts.config) +
                        "; resume needs the same configuration, --on-exists new begins another run");
    }
  }
  make_folder(checkpoints());
  make_folder(samples());
  const auto status = read_status(path_);
  started_ = status ? status->started : utc_now();
  append_text(path_ / "command.txt", facts.command + "\n");
  write_environment(path_ / "environment.json", facts);
  set_status(RunState::kRunning, status ? status->step : 0);
}

std::string RunFolder::first_command() const {
  const fs::path file = path_ / "command.txt";
  if (!fs::exists(file)) return {};
  const std::string commands = read_text(file);
  return commands.substr(0, commands.find('\n'));
}

void RunFolder::set_status(RunState state, std::int64_t step, std::string_view message) {
  const Json json = {{"schema", 1},         {"state", enum_name(state)},
                     {"step", step},        {"pid", static_cast<std::int64_t>(::getpid())},
                     {"started", started_}, {"updated", utc_now()},
                     {"message", message}};
  io::write_file(path_ / "status.json", pretty(json));
}

bool RunFolder::remove_if_unused() {
  std::error_code error;
  const bool measured = fs::exists(metrics()) && fs::file_size(metrics(), error) > 0;
  if (resumed_ || measured || !fs::is_empty(checkpoints(), error) || !fs::is_empty(samples(), error)) return false;
  std::vector<fs::path> files = {path_ / kLockName};
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    if (!entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  }
  for (const fs::path& file : files) fs::remove_all(file, error);
  if (made_) fs::remove(path_, error);
  return true;
}

bool is_run_folder(const fs::path& path) {
  return fs::is_regular_file(path / "config.yaml");
}

FolderState look_at_folder(const fs::path& wanted) {
  const fs::path path = without_trailing_slash(wanted);
  if (!fs::exists(path)) return FolderState::kFree;
  if (!fs::is_directory(path)) return FolderState::kFile;
  if (is_run_folder(path)) return FolderState::kRun;
  return holds_nothing(path) ? FolderState::kFree : FolderState::kOther;
}

bool is_in_use(const fs::path& path) {
  const int file = ::open((path / kLockName).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool in_use = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return in_use;
}

std::optional<RunStatus> read_status(const fs::path& path) {
  const fs::path file = path / "status.json";
  if (!fs::exists(file)) return std::nullopt;
  const auto json = Json::parse(read_text(file, 1 << 20), nullptr, /*allow_exceptions=*/false);
  const auto names = enum_names(RunState{});
  try {
    const auto name = json.at("state").get<std::string>();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw InputError(file.string() + ": unknown state '" + name +
                       "'; remove the file: a run goes on from its checkpoints");
    return RunStatus{.state = static_cast<RunState>(found - names.begin()),
                     .step = json.at("step").get<std::int64_t>(),
                     .pid = json.at("pid").get<std::int64_t>(),
                     .started = json.at("started").get<std::string>(),
                     .updated = json.at("updated").get<std::string>(),
                     .message = json.value("message", "")};
  } catch (const Json::exception&) {
    throw InputError(file.string() +
                     " is damaged: expected state, step, pid, started, updated; remove it: a run goes on " +
                     "from its checkpoints");
  }
}

}  // namespace drystill::journal
