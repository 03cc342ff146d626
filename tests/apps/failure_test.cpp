#include "apps/failure.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>

namespace drystill::apps {
namespace {

TEST(Failure, LeavesOutLibTorchsBacktrace) {
  try {
    TORCH_CHECK(false, "sizes do not match\nmore of it");
  } catch (const std::exception& exception) {
    EXPECT_NE(std::string(exception.what()).find("Exception raised from"), std::string::npos);
    EXPECT_EQ(failure_of(exception).code, ExitCode::kFailed);
    EXPECT_EQ(failure_of(exception).message, "sizes do not match");
  }
}

TEST(Failure, KnownAnswers) {
  const auto expect = [](const std::exception& exception, ExitCode code, const std::string& message) {
    EXPECT_EQ(failure_of(exception).code, code) << message;
    EXPECT_EQ(failure_of(exception).message, message);
  };
  expect(ConfigError("two\nlines"), ExitCode::kUsage, "two\nlines");
  expect(DivergedError("nan"), ExitCode::kDiverged, "nan");
  expect(std::bad_alloc(), ExitCode::kOutOfMemory, "out of memory; lower `batch` or `replay.capacity`");
  expect(std::runtime_error("odd"), ExitCode::kFailed, "odd");
  const std::filesystem::filesystem_error missing("no", std::make_error_code(std::errc::no_such_file_or_directory));
  expect(missing, ExitCode::kInput, missing.what());
  const c10::OutOfMemoryError memory({__func__, __FILE__, __LINE__}, "2 GiB\nof 1 GiB");
  expect(memory, ExitCode::kOutOfMemory, "out of device memory; lower `batch` or `replay.capacity`: 2 GiB");
}

}  // namespace
}  // namespace drystill::apps
