#pragma once

#include <exception>
#include <string>

#include "core/error.h"

namespace drystill::apps {

// How an exception ends the program.
struct Failure {
  ExitCode code;
  std::string message;  // without the backtrace that LibTorch puts behind its own
};
Failure failure_of(const std::exception& exception);

}  // namespace drystill::apps
