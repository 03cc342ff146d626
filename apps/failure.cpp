#include "apps/failure.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>

namespace drystill::apps {
namespace {

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

Failure failure_of_libtorch(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) {
    return {ExitCode::kOutOfMemory, "out of device memory; lower `batch` or `replay.capacity`: " + first_line(text)};
  }
  // LibTorch's allocator for the CPU has no exception type of its own.
  if (text.find("DefaultCPUAllocator") != std::string::npos) {
    return {ExitCode::kOutOfMemory, "out of memory; lower `batch` or `replay.capacity`"};
  }
  return {ExitCode::kFailed, first_line(text)};
}

}  // namespace

Failure failure_of(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return {error->code(), error->what()};
  if (const auto* error = dynamic_cast<const c10::Error*>(&exception)) return failure_of_libtorch(*error);
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return {ExitCode::kOutOfMemory, "out of memory; lower `batch` or `replay.capacity`"};
  }
  if (dynamic_cast<const std::filesystem::filesystem_error*>(&exception) != nullptr) {
    return {ExitCode::kInput, exception.what()};
  }
  return {ExitCode::kFailed, exception.what()};
}

}  // namespace drystill::apps
