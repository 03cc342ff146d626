#include "core/progress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

namespace drystill {
namespace {

class ProgressTest : public ::testing::Test {
 protected:
  std::unique_ptr<Progress> make(ProgressStyle style) {
    return make_progress(style, stream_, [this] { return now_; });
  }
  std::string shown() const { return stream_.str(); }
  std::size_t count(const std::string& part) const {
    std::size_t found = 0;
    for (auto at = shown().find(part); at != std::string::npos; at = shown().find(part, at + 1)) ++found;
    return found;
  }

  std::ostringstream stream_;
  double now_ = 1000;
};

TEST_F(ProgressTest, PlainLinesComeEveryThirtySecondsAndAtTheEnd) {
  auto progress = make({.terminal = false});
  progress->start(100);
  for (int step = 1; step <= 100; ++step) {
    now_ += 1;
    progress->update(step, {{"loss", 0.5}});
  }
  progress->finish();
  EXPECT_EQ(count("\n"), 4u) << shown();
  EXPECT_EQ(shown().find('\r'), std::string::npos);
  EXPECT_EQ(shown().find('\x1b'), std::string::npos);
  EXPECT_TRUE(shown().starts_with("30/100 (30%)  elapsed 30s  ETA 1m10s  1.0 it/s  loss 0.5\n")) << shown();
  EXPECT_NE(shown().find("100/100 (100%)  elapsed 1m40s  ETA 0s"), std::string::npos) << shown();
}

// A generator's warm-up, before the first step, comes only once.
TEST_F(ProgressTest, TheRateIsThatSinceTheFirstUpdate) {
  auto progress = make({.terminal = false});
  progress->start(300);
  now_ += 1000;
  for (int step = 50; step <= 250; step += 50) {
    progress->update(step, {});
    now_ += 50;
  }
  EXPECT_NE(shown().find("100/300 (33%)  elapsed 17m30s  ETA 3m20s  1.0 it/s"), std::string::npos) << shown();
}

TEST_F(ProgressTest, PlainLinesDoNotRepeatTheLast) {
  auto progress = make({.terminal = false});
  progress->start(60);
  now_ += 60;
  progress->update(60, {});
  progress->finish();
  progress->finish();
  EXPECT_EQ(count("\n"), 1u) << shown();
}

TEST_F(ProgressTest, TheBarIsRedrawnInPlaceAndNotTooOften) {
  auto progress = make({.terminal = true, .width = 80});
  progress->start(1000);
  for (int step = 1; step <= 500; ++step) {
    now_ += 0.01;
    progress->update(step, {{"loss", 0.25}});
  }
  const std::size_t drawn = count("\r");
  EXPECT_GE(drawn, 45u);
  EXPECT_LE(drawn, 52u);
  EXPECT_EQ(count("\n"), 0u);
  progress->finish();
  EXPECT_EQ(count("\n"), 1u);
  const std::string last = shown().substr(shown().rfind('\r'));
  EXPECT_NE(last.find(" 50% ["), std::string::npos) << last;
  EXPECT_NE(last.find("500/1000  ETA 5s  100.0 it/s  loss 0.25"), std::string::npos) << last;
}

TEST_F(ProgressTest, TheBarFitsItsTerminal) {
  for (const int width : {10, 20, 40, 61, 200}) {
    stream_.str("");
    auto progress = make({.terminal = true, .width = width});
    progress->start(100000);
    now_ += 10;
    progress->update(5000, {{"loss", 0.123456}, {"accuracy", 0.91}});
    const std::string last = shown().substr(shown().rfind('K') + 1);
    EXPECT_LT(last.size(), static_cast<std::size_t>(width)) << last;
  }
}

TEST_F(ProgressTest, ColourOnlyWhereAskedFor) {
  for (const bool colour : {false, true}) {
    stream_.str("");
    auto progress = make({.terminal = true, .colour = colour, .width = 120});
    progress->start(10);
    now_ += 1;
    progress->update(5, {});
    EXPECT_EQ(count("\x1b[32m") > 0, colour);
  }
}

TEST_F(ProgressTest, AResumedTaskIsTimedFromItsOwnSteps) {
  auto progress = make({.terminal = false});
  progress->start(100, 50);
  now_ += 30;
  progress->update(60, {});
  EXPECT_TRUE(shown().starts_with("60/100 (60%)  elapsed 30s  ETA 2m00s  3.00 s/it")) << shown();
}

TEST_F(ProgressTest, MessagesDoNotTearTheBar) {
  auto progress = make({.terminal = true, .width = 80});
  progress->start(10);
  now_ += 1;
  progress->update(5, {});
  stream_.str("");
  progress->message("info: checkpoint written");
  EXPECT_TRUE(shown().starts_with("\r\x1b[Kinfo: checkpoint written\n\r\x1b[K")) << shown();
  EXPECT_NE(shown().find("50%"), std::string::npos);
}

TEST_F(ProgressTest, AnUnfinishedBarEndsItsLine) {
  const auto lines_left = [&](ProgressStyle style, bool draws) {
    stream_.str("");
    auto progress = make(style);
    progress->start(10);
    now_ += 1;
    if (draws) progress->update(5, {});
    const std::size_t before = count("\n");
    progress.reset();
    return count("\n") - before;
  };
  EXPECT_EQ(lines_left({.terminal = true, .width = 80}, true), 1u) << shown();
  EXPECT_TRUE(shown().ends_with("\n"));
  EXPECT_EQ(lines_left({.terminal = true, .width = 80}, false), 0u) << shown();
  EXPECT_EQ(lines_left({.quiet = true, .terminal = true}, true), 0u) << shown();
  EXPECT_EQ(lines_left({.terminal = false}, true), 0u) << shown();
}

TEST_F(ProgressTest, QuietShowsMessagesOnly) {
  for (const bool terminal : {false, true}) {
    stream_.str("");
    auto progress = make({.quiet = true, .terminal = terminal});
    progress->start(2);
    now_ += 100;
    progress->update(1, {{"loss", 1}});
    progress->message("warning: hot");
    progress->finish();
    EXPECT_EQ(shown(), "warning: hot\n");
  }
}

TEST_F(ProgressTest, UnknownTotalsAndNothingStarted) {
  auto progress = make({.terminal = false});
  progress->update(3, {});
  progress->finish();
  EXPECT_EQ(shown(), "");
  progress->start(0);
  now_ += 31;
  progress->update(62, {{"loss", std::nan("")}});
  EXPECT_EQ(shown(), "step 62  elapsed 31s  2.0 it/s  loss nan\n");
}

TEST(ProgressStyleTest, NoBarOnADumbTerminalOrAPipe) {
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(style_for_stderr(false).terminal);
  EXPECT_TRUE(style_for_stderr(true).quiet);
  setenv("TERM", "xterm", 1);
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(style_for_stderr(false).colour);
}

TEST(FormatDuration, KnownAnswers) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(187), "3m07s");
  EXPECT_EQ(format_duration(7500), "2h05m");
  EXPECT_EQ(format_duration(4 * 3600 + 3 * 86400), "3d04h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(INFINITY), "?");
  EXPECT_EQ(format_duration(1e300), ">30y");
}

}  // namespace
}  // namespace drystill
