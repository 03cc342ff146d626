#include "apps/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace drystill::apps {
namespace {

std::string printed(bool json, const Fields& fields) {
  Console console;
  console.json = json;
  ::testing::internal::CaptureStdout();
  console.result(fields);
  return ::testing::internal::GetCapturedStdout();
}

// Calls `action` while standard output is `descriptor`, which it closes.
void with_output_to(int descriptor, const std::function<void()>& action) {
  std::fflush(stdout);
  const int before = ::dup(STDOUT_FILENO);
  ::dup2(descriptor, STDOUT_FILENO);
  ::close(descriptor);
  try {
    action();
  } catch (const std::exception& exception) {
    ADD_FAILURE() << exception.what();
  }
  ::__fpurge(stdout);  // what could not be written is not for the next reader
  std::clearerr(stdout);
  ::dup2(before, STDOUT_FILENO);
  ::close(before);
}

TEST(Console, TextsStayTextsAndNumbersNumbers) {
  const Fields fields = {{"config", "5"},
                         {"answer", "true"},
                         {"steps", std::int64_t{60}},
                         {"accuracy", Decimal{0.86254}},
                         {"seconds", Decimal{12, 1}},
                         {"loss", Decimal{std::nan("")}}};
  const auto json = nlohmann::json::parse(printed(true, fields));
  EXPECT_EQ(json["config"], "5");
  EXPECT_EQ(json["answer"], "true");
  EXPECT_TRUE(json["steps"].is_number_integer());
  EXPECT_EQ(json["steps"], 60);
  EXPECT_EQ(json["accuracy"], 0.8625);
  EXPECT_EQ(json["seconds"], 12.0);
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_EQ(printed(false, fields),
            "config    5\n"
            "answer    true\n"
            "steps     60\n"
            "accuracy  0.8625\n"
            "seconds   12.0\n"
            "loss      nan\n");
}

TEST(Console, HostileTextsDoNoHarm) {
  const Fields fields = {{"na\nme", "caf\xE9\x1b[2J"}};
  EXPECT_EQ(nlohmann::json::parse(printed(true, fields))["na\nme"], "caf\uFFFD\x1b[2J");
  EXPECT_EQ(printed(false, fields), "na\\x0ame  caf\xE9\\x1b[2J\n");
}

TEST(Console, AnEmptyResult) {
  EXPECT_EQ(printed(true, {}), "{}\n");
  EXPECT_EQ(printed(false, {}), "\n");
}

TEST(Console, OutputThatCannotBeWrittenIsAnError) {
  with_output_to(::open("/dev/full", O_WRONLY | O_CLOEXEC), [] {
    const std::string large(1 << 20, 'x');
    for (const auto& text : {std::string("x"), large}) {
      try {
        Console().print(text);
        ADD_FAILURE() << "expected RunError";
      } catch (const RunError& error) {
        EXPECT_STREQ(error.what(), "cannot write to standard output: No space left on device; free some space");
      }
    }
  });
}

TEST(Console, AReaderThatLeavesIsNoError) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  with_output_to(ends[1], [] { Console().print("x"); });
  std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace drystill::apps
