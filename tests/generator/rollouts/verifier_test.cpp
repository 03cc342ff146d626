#include "generator/rollouts/verifier.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "core/stop_request.h"
#include "tests/support/temporary_folder.h"

namespace drystill::generator {
namespace {

Verdict check(const VerifierOptions& options, const std::string& completion,
              std::map<std::string, std::string> fields = {}) {
  return make_verifier(options)->check(completion, {.fields = std::move(fields), .tokens = {}});
}

CommandVerifier shell(const std::string& script, double seconds = 20) {
  return {.command = {"sh", "-c", script}, .seconds = seconds, .allow = true};
}

double seconds_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Verifier, NoneIsNoVerifier) {
  EXPECT_EQ(make_verifier(NoVerifier{}), nullptr);
}

TEST(ExactVerifier, ComparesTheAnswerWithTheReference) {
  EXPECT_TRUE(check(ExactVerifier{}, " Paris\n", {{"reference", "Paris "}}).accepted);
  EXPECT_TRUE(check(ExactVerifier{}, "<think>London?</think>\nParis", {{"reference", "Paris"}}).accepted);
  EXPECT_FALSE(check(ExactVerifier{}, "paris", {{"reference", "Paris"}}).accepted);
  EXPECT_TRUE(check(ExactVerifier{.ignore_case = true}, "\xC3\x84pfel", {{"reference", "\xC3\xA4PFEL"}}).accepted);
  EXPECT_TRUE(check(ExactVerifier{.reference = "answer"}, "x", {{"answer", "x"}}).accepted);
  EXPECT_EQ(check(ExactVerifier{}, "x").reason, "the item has no 'reference'");
}

TEST(RegexVerifier, FindsItsPattern) {
  EXPECT_TRUE(check(RegexVerifier{.pattern = "Final Answer: \\d+"}, "So: Final Answer: 12.").accepted);
  EXPECT_EQ(check(RegexVerifier{.pattern = "Final Answer: \\d+"}, "12").reason, "no match");
  const RegexVerifier group{.pattern = "Answer: (.*)", .reference = "reference"};
  EXPECT_TRUE(check(group, "Answer: yes \nbye", {{"reference", "yes"}}).accepted);
  EXPECT_FALSE(check(group, "Answer: no", {{"reference", "yes"}}).accepted);
  EXPECT_EQ(check(group, "Answer: no").reason, "the item has no 'reference'");
  EXPECT_TRUE(check(RegexVerifier{.pattern = "."}, "\xFF").accepted);  // no UTF-8, and no harm
}

TEST(RegexVerifier, RefusesPatternsThatCannotWork) {
  EXPECT_THROW(make_verifier(RegexVerifier{.pattern = "(unclosed"}), ConfigError);
  EXPECT_THROW(make_verifier(RegexVerifier{.pattern = "no group", .reference = "reference"}), ConfigError);
}

TEST(RegexVerifier, GivesUpOnPatternsThatNeverEnd) {
  Verdict verdict;
  const double seconds = seconds_of(
      [&] { verdict = check(RegexVerifier{.pattern = "^(a+)+$", .step_limit = 200}, std::string(5000, 'a') + "b"); });
  EXPECT_FALSE(verdict.accepted);
  EXPECT_EQ(verdict.reason, "time limit");
  EXPECT_LT(seconds, 10);
}

TEST(NumberVerifier, ComparesTheLastNumbers) {
  EXPECT_TRUE(check(NumberVerifier{}, "2 and 2 are 4.0", {{"reference", "#### 4"}}).accepted);
  EXPECT_TRUE(check(NumberVerifier{}, "\\boxed{1,234.50}", {{"reference", "1234.5"}}).accepted);
  EXPECT_TRUE(check(NumberVerifier{}, "3/4", {{"reference", "0.75"}}).accepted);
  EXPECT_FALSE(check(NumberVerifier{}, "4.01", {{"reference", "4"}}).accepted);
  EXPECT_TRUE(check(NumberVerifier{.tolerance = 0.01}, "1009", {{"reference", "1000"}}).accepted);
  EXPECT_FALSE(check(NumberVerifier{.tolerance = 0.01}, "1011", {{"reference", "1000"}}).accepted);
  EXPECT_EQ(check(NumberVerifier{}, "<think>4", {{"reference", "4"}}).reason, "no number");
  EXPECT_EQ(check(NumberVerifier{}, "4", {{"reference", "four"}}).reason, "the reference has no number");
}

TEST(ChoiceVerifier, ComparesTheLastLetters) {
  EXPECT_TRUE(check(ChoiceVerifier{}, "Not A. Answer: (B)", {{"reference", "B"}}).accepted);
  EXPECT_FALSE(check(ChoiceVerifier{}, "Answer: C", {{"reference", "(B)"}}).accepted);
  EXPECT_EQ(check(ChoiceVerifier{}, "Answer: E", {{"reference", "B"}}).reason, "no letter");
  EXPECT_TRUE(check(ChoiceVerifier{.letters = "EF"}, "Answer: E", {{"reference", "E"}}).accepted);
  EXPECT_THROW(make_verifier(ChoiceVerifier{.letters = "abc"}), ConfigError);
  EXPECT_THROW(make_verifier(ChoiceVerifier{.letters = ""}), ConfigError);
}

TEST(CommandVerifier, RunsOnlyWhereItIsAllowed) {
  EXPECT_THROW(make_verifier(CommandVerifier{.command = {"true"}}), ConfigError);
  EXPECT_THROW(make_verifier(CommandVerifier{.command = {}, .allow = true}), ConfigError);
  ASSERT_EQ((CommandVerifier{.command = {"true"}}.problems().size()), 1U);
  EXPECT_EQ((CommandVerifier{.command = {"true"}}.problems()[0].field), "allow");
}

TEST(CommandVerifier, GoesByTheExitStatus) {
  EXPECT_TRUE(check(CommandVerifier{.command = {"true"}, .allow = true}, "x").accepted);
  EXPECT_EQ(check(CommandVerifier{.command = {"false"}, .allow = true}, "x").reason, "rejected by the command");
  EXPECT_FALSE(check(shell("kill -SEGV $$"), "x").accepted);
}

TEST(CommandVerifier, HandsOverTheAnswerAndTheItem) {
  EXPECT_TRUE(check(shell("test \"$(cat)\" = 'two words'"), "<think>x</think>two words").accepted);
  EXPECT_TRUE(check(shell("test \"$DRYSTILL_UNIT_TESTS\" = 'a; b \"c\" $d' && test -n \"$PATH\""), "x",
                    {{"unit tests", "a; b \"c\" $d"}})
                  .accepted);
  EXPECT_TRUE(check(shell("test \"$(wc -c)\" -eq 3000000"), std::string(3000000, 'x')).accepted);
  EXPECT_TRUE(check(shell("exit 0"), std::string(3000000, 'x')).accepted);  // nobody reads it
  EXPECT_TRUE(check(shell("test \"$DRYSTILL_A\" = xy"), "x", {{"a", std::string("x\0y", 3)}}).accepted);
}

TEST(CommandVerifier, TakesNoShellSyntax) {
  EXPECT_TRUE(
      check({CommandVerifier{.command = {"test", "$HOME; false", "=", "$HOME; false"}, .allow = true}}, "x").accepted);
}

TEST(CommandVerifier, RejectsItemsThatNoEnvironmentHolds) {
  EXPECT_EQ(check(shell("exit 0"), "x", {{"long", std::string(5000000, 'x')}}).reason,
            "the item is too large for environment variables");
}

TEST(CommandVerifier, NamesACommandThatCannotStart) {
  try {
    check(CommandVerifier{.command = {"/nowhere/verify"}, .allow = true}, "x");
    FAIL() << "it started";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/verify"), std::string::npos) << error.what();
  }
}

TEST(CommandVerifier, KillsWhatHangsWithAllItsProcesses) {
  const drystill::testing::TemporaryFolder folder;
  const std::string file = (folder / "child").string();
  Verdict verdict;
  const double seconds =
      seconds_of([&] { verdict = check(shell("trap '' TERM; sleep 100 & echo $! > " + file + "; wait", 0.5), "x"); });
  EXPECT_EQ(verdict.reason, "time limit");
  EXPECT_FALSE(verdict.accepted);
  EXPECT_LT(seconds, 20);
  pid_t child = 0;
  std::ifstream(file) >> child;
  ASSERT_GT(child, 0);
  // Its parent is gone: whether and when the system collects it is not ours, but it runs no more.
  const auto runs = [child] {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string id, name, state;
    return (status >> id >> name >> state) && state != "Z" && state != "X";
  };
  for (int i = 0; i < 100 && runs(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(runs());
}

TEST(CommandVerifier, GivesUpOnACommandThatAlwaysHangs) {
  const auto verifier = make_verifier(shell("test \"$(cat)\" = ends || sleep 50", 0.05));
  const auto check_times = [&](int times, const std::string& completion) {
    for (int i = 0; i < times; ++i) verifier->check(completion, {});
  };
  EXPECT_NO_THROW(check_times(15, "hangs"));
  EXPECT_NO_THROW(check_times(1, "ends"));  // which begins the count anew
  EXPECT_NO_THROW(check_times(15, "hangs"));
  try {
    check_times(1, "hangs");
    FAIL() << "it goes on";
  } catch (const RunError& error) {
    const std::string message = error.what();
    for (const char* part : {"'sh'", "0.05 s", "16 times"}) EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(CommandVerifier, StopsAtOnceWhereASignalAsks) {
  std::thread asks([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    request_stop(SIGTERM);
  });
  const double seconds = seconds_of([&] { EXPECT_THROW(check(shell("sleep 30"), "x"), Interrupted); });
  asks.join();
  request_stop(0);
  EXPECT_LT(seconds, 10);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(CommandVerifier, KillsWhatALeaderLeavesBehind) {
  const drystill::testing::TemporaryFolder folder;
  const std::string file = (folder / "late").string();
  EXPECT_TRUE(check(shell("(sleep 0.4; echo late > " + file + ") & exit 0"), "x").accepted);
  std::this_thread::sleep_for(std::chrono::milliseconds(900));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(CommandVerifier, LeavesNoZombieAndNoOpenFile) {
  const auto open_files = [] {
    int count = 0;
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    return count;
  };
  const int before = open_files();
  for (int i = 0; i < 5; ++i) check(shell("exit 1"), "x");
  check(shell("sleep 50", 0.05), "x");
  EXPECT_THROW(check(CommandVerifier{.command = {"/nowhere/verify"}, .allow = true}, "x"), RunError);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(open_files(), before);
}

TEST(CommandVerifier, InheritsNoFileOfOurs) {
  const drystill::testing::TemporaryFolder folder;
  std::ofstream((folder / "ours").string()) << "x";
  std::FILE* file = std::fopen((folder / "ours").c_str(), "r");
  ASSERT_NE(file, nullptr);
  const std::string number = std::to_string(::fileno(file));
  EXPECT_TRUE(check(shell("test ! -e /proc/self/fd/" + number), "x").accepted);
  std::fclose(file);
}

}  // namespace
}  // namespace drystill::generator
