#include "generator/rollouts/run_command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/stop_request.h"

namespace drystill::generator {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
  throw RunError("[generator.command] " + what + ": " + std::generic_category().message(error));
}

// An anonymous file that holds a text and stands at its begin: unlike a pipe, nobody waits for its reader.
class InputFile {
 public:
  explicit InputFile(std::string_view text) : descriptor_(::memfd_create("drystill-completion", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("no memory for a completion", errno);
    while (!text.empty()) {
      const ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        const int error = errno;
        ::close(descriptor_);
        fail("no memory for a completion", error);
      }
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Standard streams and signals of the new process: everything else is closed, and nothing is blocked or ignored.
class SpawnSettings {
 public:
  explicit SpawnSettings(int input) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// This process's environment with `added` in place of variables of those names.
std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (!added.contains(std::string(text.substr(0, text.find('='))))) variables.emplace_back(text);
  }
  for (const auto& [name, value] : added) variables.push_back(std::string(name).append("=").append(value));
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Whether the process ended by itself in time, and before a signal asked to stop. It is left as a zombie, so that its
// group's number stays its own.
bool ends_within(pid_t process, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  auto pause = std::chrono::microseconds(200);
  while (true) {
    siginfo_t info{};
    const int result = ::waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT);
    if (result != 0 && errno != EINTR) return true;  // it is gone; waitpid says the rest
    if (result == 0 && info.si_pid == process) return true;
    if (Clock::now() >= deadline || stop_requested() != 0) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(20000));
  }
}

}  // namespace

CommandEnd run_command(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
                       std::string_view input, double seconds) {
  const InputFile file(input);
  const SpawnSettings settings(file.descriptor());
  std::vector<std::string> arguments = command, variables = merged_environment(environment);
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, command.front().c_str(), settings.actions(), settings.attributes(),
                                   pointers(arguments).data(), pointers(variables).data());
  if (error == E2BIG) return CommandEnd::kTooLarge;
  if (error != 0) fail("the verifier's command '" + command.front() + "' cannot be started", error);

  const bool in_time = ends_within(process, seconds);
  ::kill(-process, SIGKILL);  // it, where it hangs, and whatever it left running
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = ::waitpid(process, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  if (reaped < 0) fail("the end of the verifier's command '" + command.front() + "' is not known", errno);
  if (const int signal = stop_requested(); signal != 0 && !in_time) throw Interrupted(signal);
  if (!in_time) return CommandEnd::kTimeLimit;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CommandEnd::kSuccess : CommandEnd::kFailure;
}

}  // namespace drystill::generator
