#include "journal/journal.h"

#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "core/progress.h"
#include "journal/metrics_reader.h"
#include "journal/text_file.h"
#include "tests/support/temporary_folder.h"

namespace drystill::journal {
namespace {

class JournalTest : public ::testing::Test {
 protected:
  JournalOptions options() {
    return {.progress = progress_.get(), .clock = [this] { return now_; }};
  }
  RunFolder open(const std::string& name = "a") {
    return RunFolder::create(base_ / name, OnExists::kResume,
                             {.config = "seed: 1\n", .command = "c", .git_revision = {}, .versions = {}});
  }
  static void work(Journal& journal, std::int64_t begin, std::int64_t end) {
    for (std::int64_t step = begin; step < end; ++step) {
      journal.record(step, "train", {{"loss", 1.0 / static_cast<double>(step + 1)}});
      if (step % 5 == 4) journal.record(step, "evaluation", {{"accuracy", 0.1 * static_cast<double>(step)}});
    }
  }
  static std::vector<MetricsEvent> timeless(const std::filesystem::path& path) {
    auto events = read_events(path);
    for (auto& event : events) event.seconds = 0;
    return events;
  }
  std::size_t event_files(const std::string& name) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(base_ / name)) {
      count += entry.path().filename().string().starts_with("events.out.tfevents.") ? 1 : 0;
    }
    return count;
  }

  const testing::TemporaryFolder base_;
  double now_ = 500;
  std::ostringstream console_;
  std::unique_ptr<Progress> progress_ = make_progress({.terminal = false}, console_, [this] { return now_; });
};

TEST_F(JournalTest, WritesEventsAtOnce) {
  const auto folder = open();
  Journal journal(folder, options());
  now_ += 2.5;
  journal.record(10, "train", {{"loss", 0.5}, {"rate", 0.1}});
  EXPECT_EQ(read_text(folder.metrics()),
            "{\"schema\":1,\"step\":10,\"group\":\"train\",\"values\":{\"loss\":0.5,\"rate\":0.1},\"seconds\":2.5}\n");
  EXPECT_EQ(event_files("a"), 1u);
}

TEST_F(JournalTest, AResumedRunHasTheMetricsOfAnUninterruptedOne) {
  const auto whole = open("whole");
  {
    Journal journal(whole, options());
    work(journal, 0, 20);
  }
  {
    const auto folder = open("torn");
    Journal journal(folder, options());
    now_ += 100;
    work(journal, 0, 14);
  }
  append_text(base_ / "torn/metrics.jsonl", "{\"schema\":1,\"st");  // killed in the middle of a line
  const auto folder = open("torn");
  Journal journal(folder, options());
  journal.truncate_after(11);
  EXPECT_EQ(journal.seconds(), 100);
  now_ += 7;
  EXPECT_EQ(journal.seconds(), 107);
  work(journal, 12, 20);
  EXPECT_EQ(timeless(folder.metrics()), timeless(whole.metrics()));
  EXPECT_EQ(event_files("torn"), 2u);
}

TEST_F(JournalTest, SamplesAreFilesOfTheirStep) {
  const auto folder = open();
  Journal journal(folder, options());
  journal.sample_image(40, "grid", "bytes");
  EXPECT_EQ(read_text(folder.samples() / "grid_40.png"), "bytes");
  for (const char* name : {"", "../grid", "a/b", "a b", "."}) {
    EXPECT_THROW(journal.sample_image(1, name, "x"), ConfigError) << name;
  }
}

TEST_F(JournalTest, LogGoesToFileAndConsole) {
  const auto folder = open();
  {
    Journal journal(folder, options());
    journal.log(Level::kDebug, "detail");
    journal.info("braces {} {0} and\na line");
    journal.warning("careful");
  }
  EXPECT_EQ(console_.str(), "info: braces {} {0} and a line\nwarning: careful\n");
  const auto text = read_text(folder.log());
  EXPECT_NE(text.find("Z debug   detail\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z info    braces {} {0} and a line\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z warning careful\n"), std::string::npos) << text;
}

TEST_F(JournalTest, TensorBoardCanBeOff) {
  auto without = options();
  without.tensorboard = false;
  const auto folder = open();
  Journal journal(folder, without);
  journal.record(1, "train", {{"loss", 1}});
  EXPECT_EQ(event_files("a"), 0u);
}

}  // namespace
}  // namespace drystill::journal
