#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::generator {

enum class CommandEnd { kSuccess, kFailure, kTimeLimit, kTooLarge };

// Runs a program, without a shell, and waits for it. Standard input is `input` as an anonymous file, standard output
// and error are discarded, other files of this process stay closed to it. `environment` is added to this process's own.
// It leads a process group of its own, all of which is killed when it ends, after `seconds`, or where a signal asks
// this process to stop; it leaves no zombie.
//
// kSuccess: exit status 0. kFailure: another status, or a signal. kTooLarge: the system refuses arguments and
// environment of that size. Throws RunError, naming the program, where it cannot be started for another reason, and
// Interrupted where a signal asked to stop before it ended.
CommandEnd run_command(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
                       std::string_view input, double seconds);

}  // namespace drystill::generator
