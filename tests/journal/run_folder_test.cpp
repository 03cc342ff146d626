#include "journal/run_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "journal/environment.h"
#include "journal/text_file.h"
#include "tests/support/temporary_folder.h"

namespace drystill::journal {
namespace {

RunFacts facts(const std::string& config = "seed: 1\nstudent:\n  model: resnet8\n") {
  return {.config = config,
          .command = "drystill distill a.yaml",
          .git_revision = "abc",
          .threads = 2,
          .versions = {{"libtorch", "2.11.0"}}};
}

TEST(RunFolder, HoldsWhatTheRunIs) {
  const testing::TemporaryFolder base;
  const auto path = base / "runs/deep/a";
  auto folder = RunFolder::create(path, OnExists::kError, facts());
  EXPECT_FALSE(folder.resumed());
  EXPECT_EQ(read_text(folder.config()), facts().config);
  EXPECT_EQ(read_text(path / "command.txt"), "drystill distill a.yaml\n");
  EXPECT_TRUE(std::filesystem::is_directory(folder.checkpoints()));
  EXPECT_TRUE(std::filesystem::is_directory(folder.samples()));
  const auto environment = read_environment(path / "environment.json");
  const std::map<std::string, std::string> named(environment.begin(), environment.end());
  EXPECT_EQ(named.at("libtorch"), "2.11.0");
  EXPECT_EQ(named.at("threads"), "2");
  EXPECT_EQ(named.at("git_revision"), "abc");
  EXPECT_TRUE(named.contains("processor"));

  EXPECT_EQ(read_status(path)->state, RunState::kRunning);
  EXPECT_EQ(read_status(path)->pid, ::getpid());
  folder.set_status(RunState::kDiverged, 120, "loss is \"nan\"");
  EXPECT_EQ(read_status(path)->state, RunState::kDiverged);
  EXPECT_EQ(read_status(path)->step, 120);
  EXPECT_EQ(read_status(path)->message, "loss is \"nan\"");
}

TEST(RunFolder, RefusesAnExistingRun) {
  const testing::TemporaryFolder base;
  { RunFolder::create(base / "a", OnExists::kError, facts()); }
  EXPECT_THROW(RunFolder::create(base / "a", OnExists::kError, facts("seed: 2\n")), ConfigError);
  EXPECT_EQ(read_text(base / "a/config.yaml"), facts().config);
}

TEST(RunFolder, GoesAgainWhereNothingWasSaved) {
  const testing::TemporaryFolder base;
  const auto given = base / "given";
  std::filesystem::create_directory(given);
  std::ofstream(given / ".hidden") << "kept";
  for (const auto& path : {base / "made", given}) {
    EXPECT_TRUE(RunFolder::create(path, OnExists::kError, facts()).remove_if_unused());
    EXPECT_EQ(std::filesystem::exists(path), path == given);
    { RunFolder::create(path, OnExists::kError, facts()); }
    EXPECT_FALSE(RunFolder::resume(path, facts()).remove_if_unused());
    EXPECT_TRUE(is_run_folder(path));
  }
  EXPECT_EQ(read_text(given / ".hidden"), "kept");
  for (const char* saved : {"metrics.jsonl", "checkpoints/a", "samples/a"}) {
    auto folder = RunFolder::create(base / "saved", OnExists::kNew, facts());
    std::ofstream(folder.path() / saved) << "x";
    EXPECT_FALSE(folder.remove_if_unused()) << saved;
    EXPECT_TRUE(is_run_folder(folder.path())) << saved;
  }
}

TEST(RunFolder, NewTakesTheNextName) {
  const testing::TemporaryFolder base;
  const auto first = RunFolder::create(base / "a/", OnExists::kNew, facts());
  const auto second = RunFolder::create(base / "a/", OnExists::kNew, facts());
  const auto third = RunFolder::create(base / "a", OnExists::kNew, facts());
  EXPECT_EQ(first.path().filename(), "a");
  EXPECT_EQ(second.path().filename(), "a-2");
  EXPECT_EQ(third.path().filename(), "a-3");
}

TEST(RunFolder, ResumeContinues) {
  const testing::TemporaryFolder base;
  std::string started;
  {
    auto folder = RunFolder::create(base / "a", OnExists::kResume, facts());  // nothing there: begins
    EXPECT_FALSE(folder.resumed());
    folder.set_status(RunState::kInterrupted, 70);
    started = read_status(base / "a")->started;
  }
  auto again = facts();
  again.command = "drystill distill --resume a";
  const auto folder = RunFolder::create(base / "a", OnExists::kResume, again);
  EXPECT_TRUE(folder.resumed());
  EXPECT_EQ(read_text(base / "a/command.txt"), "drystill distill a.yaml\ndrystill distill --resume a\n");
  EXPECT_EQ(folder.first_command(), "drystill distill a.yaml");
  EXPECT_EQ(read_status(base / "a")->state, RunState::kRunning);
  EXPECT_EQ(read_status(base / "a")->step, 70);
  EXPECT_EQ(read_status(base / "a")->started, started);
  EXPECT_EQ(nlohmann::json::parse(read_text(base / "a/environment.json"))["starts"].size(), 2u);
}

TEST(RunFolder, ResumeWantsTheSameConfiguration) {
  const testing::TemporaryFolder base;
  { RunFolder::create(base / "a", OnExists::kError, facts()); }
  try {
    RunFolder::create(base / "a", OnExists::kResume, facts("seed: 1\nstudent:\n  model: resnet14\n"));
    FAIL() << "expected ConfigError";
  } catch (const ConfigError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("config.yaml:3: "), std::string::npos) << message;
    EXPECT_NE(message.find("resnet14"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  EXPECT_THROW(RunFolder::create(base / "a", OnExists::kResume, facts("x: 1\n")), ConfigError);
  EXPECT_THROW(RunFolder::create(base / "a", OnExists::kResume, facts(facts().config + "more: 1\n")), ConfigError);
  EXPECT_NO_THROW(RunFolder::resume(base / "a", facts("")));
}

TEST(RunFolder, IsForOneProcess) {
  const testing::TemporaryFolder base;
  {
    const auto folder = RunFolder::create(base / "a", OnExists::kError, facts());
    EXPECT_TRUE(is_in_use(base / "a"));
    EXPECT_THROW(RunFolder::resume(base / "a", facts()), RunError);
  }
  EXPECT_FALSE(is_in_use(base / "a"));
  EXPECT_NO_THROW(RunFolder::resume(base / "a", facts()));
}

// `is_in_use` holds the lock while it looks.
TEST(RunFolder, AReadersMomentIsWaitedFor) {
  const testing::TemporaryFolder base;
  { RunFolder::create(base / "a", OnExists::kError, facts()); }
  const int reader = ::open((base / "a/.lock").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(reader, LOCK_SH | LOCK_NB), 0);
  std::thread leaving([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    ::close(reader);
  });
  EXPECT_NO_THROW(RunFolder::resume(base / "a", facts()));
  leaving.join();
}

TEST(RunFolder, AKilledProcessLeavesNoLock) {
  const testing::TemporaryFolder base;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto folder = RunFolder::create(base / "a", OnExists::kError, facts());
    std::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(is_in_use(base / "a"));
  EXPECT_TRUE(RunFolder::resume(base / "a", facts()).resumed());
}

TEST(RunFolder, LeavesForeignFilesAlone) {
  const testing::TemporaryFolder base;
  std::filesystem::create_directory(base / "photos");
  std::ofstream(base / "photos/one") << "x";
  std::ofstream(base / "file") << "x";
  std::filesystem::create_directory(base / "empty");
  for (const auto policy : {OnExists::kError, OnExists::kResume}) {
    EXPECT_THROW(RunFolder::create(base / "photos", policy, facts()), InputError);
    EXPECT_THROW(RunFolder::create(base / "file", policy, facts()), InputError);
  }
  EXPECT_THROW(RunFolder::create(base / "file/a", OnExists::kError, facts()), RunError);
  EXPECT_THROW(RunFolder::resume(base / "photos", facts()), InputError);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(base / "photos"), {}), 1);
  EXPECT_NO_THROW(RunFolder::create(base / "empty", OnExists::kError, facts()));
}

TEST(RunFolder, SaysWhenItCannotWrite) {
  // Not a mode bit: root, as in a container, may write everywhere but in /proc.
  EXPECT_THROW(RunFolder::create("/proc/drystill/a", OnExists::kError, facts()), RunError);
}

// A file size limit stands in for a full disk: the write fails half-way just the same.
TEST(RunFolderDeathTest, AFullDiskLeavesTheOldStatus) {
  const testing::TemporaryFolder base;
  EXPECT_EXIT(
      {
        auto folder = RunFolder::create(base / "a", OnExists::kError, facts());
        folder.set_status(RunState::kRunning, 7);
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit = {};
        limit.rlim_cur = limit.rlim_max = 16;
        setrlimit(RLIMIT_FSIZE, &limit);
        try {
          folder.set_status(RunState::kRunning, 8);
        } catch (const RunError&) {
          std::_Exit(read_status(base / "a")->step == 7 ? 0 : 1);
        }
        std::_Exit(2);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(ReadStatus, DamagedOrMissing) {
  const testing::TemporaryFolder base;
  EXPECT_FALSE(read_status(base.path()).has_value());
  for (const char* text : {"", "{", "[]", R"({"state":"running"})", R"({"state":"flying","step":1})"}) {
    std::ofstream(base / "status.json") << text;
    EXPECT_THROW(read_status(base.path()), InputError) << text;
  }
}

}  // namespace
}  // namespace drystill::journal
