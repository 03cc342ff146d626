#include "io/checkpoint.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "io/atomic_file.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

State state_of(std::int64_t step) {
  State state;
  StateWriter writer(state);
  writer.tensor("weight", at::full({1000}, static_cast<double>(step)));
  writer.tensor("generator", at::arange(16, at::kByte));
  writer.real("loss", 0.1);
  writer.text("format", "mine");  // a name that the file format uses as well
  writer.text("text", "ünï\n\"x\"");
  return state;
}

double weight_of(const fs::path& checkpoint) {
  return load_checkpoint(checkpoint).state.tensors.at("weight")[0].item<double>();
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

void damage(const fs::path& file) {
  std::string bytes = read_bytes(file);
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(file, bytes);
}

TEST(Checkpoint, GivesBackWhatWasSaved) {
  const TemporaryFolder folder;
  const State state = state_of(1200);
  const fs::path path = save_checkpoint(folder / "checkpoints", 1200, state);
  EXPECT_EQ(path, folder / "checkpoints" / "step_00001200");
  const Checkpoint loaded = load_checkpoint(path);
  EXPECT_EQ(loaded.step, 1200);
  EXPECT_EQ(loaded.state.values, state.values);
  expect_same(loaded.state.tensors, state.tensors);
  EXPECT_EQ(names_in(folder / "checkpoints"), std::set<std::string>{"step_00001200"});
}

TEST(Checkpoint, KeepsAnEmptyState) {
  const TemporaryFolder folder;
  const Checkpoint loaded = load_checkpoint(save_checkpoint(folder.path(), 0, {}));
  EXPECT_TRUE(loaded.state.tensors.empty());
  EXPECT_TRUE(loaded.state.values.empty());
}

TEST(Checkpoint, ReplacesOneOfTheSameStep) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), 5, state_of(1));
  save_checkpoint(folder.path(), 5, state_of(2));
  EXPECT_EQ(weight_of(*latest_checkpoint(folder.path())), 2);
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"step_00000005"});
}

TEST(Checkpoint, NamesTheDamagedFile) {
  for (const char* name : {"state.safetensors", "manifest.json"}) {
    const TemporaryFolder folder;
    const fs::path path = save_checkpoint(folder.path(), 5, state_of(5));
    damage(path / name);
    EXPECT_NE(input_error([&] { load_checkpoint(path); }).find(name), std::string::npos);
    fs::remove(path / name);
    EXPECT_NE(input_error([&] { load_checkpoint(path); }).find(name), std::string::npos);
  }
  input_error([] { load_checkpoint("/nonexistent"); });
}

TEST(Checkpoint, RefusesManifestsThatReachOutside) {
  const TemporaryFolder folder;
  const fs::path path = save_checkpoint(folder.path(), 5, state_of(5));
  for (const char* text : {R"({"schema":1,"step":5,"files":{"../x":{"bytes":0,"xxh3_128":""}}})",
                           R"({"schema":1,"step":5,"files":{}})", R"({"schema":1,"step":5})", R"({"step":5})", "[]", "",
                           R"({"schema":1,"files":{"state.safetensors":{"bytes":-1,"xxh3_128":""}}})",
                           R"({"schema":1,"files":{"state.safetensors":7}})"}) {
    write_bytes(path / "manifest.json", text);
    input_error([&] { load_checkpoint(path); });
  }
  write_bytes(path / "manifest.json", R"({"schema":2})");
  EXPECT_NE(input_error([&] { load_checkpoint(path); }).find("schema version 2"), std::string::npos);
}

TEST(Checkpoint, LatestIsTheNewestUndamagedOne) {
  const TemporaryFolder folder;
  EXPECT_EQ(latest_checkpoint(folder / "missing"), std::nullopt);
  EXPECT_EQ(latest_checkpoint(folder.path()), std::nullopt);
  for (const int step : {9, 10, 100000000}) save_checkpoint(folder.path(), step, state_of(step));
  EXPECT_EQ(*latest_checkpoint(folder.path()), folder / "step_100000000");
  damage(folder / "step_100000000" / "state.safetensors");
  EXPECT_EQ(*latest_checkpoint(folder.path()), folder / "step_00000010");
  fs::remove(folder / "step_00000010" / "manifest.json");
  fs::create_directory(folder / "step_00000999.tmp");
  fs::create_directory(folder / "step_best");
  fs::create_directory(folder / "step_11");
  EXPECT_EQ(*latest_checkpoint(folder.path()), folder / "step_00000009");
}

// A run must not begin anew over checkpoints that are there.
TEST(Checkpoint, SaysWhyNoneCanBeUsed) {
  const TemporaryFolder folder;
  for (const int step : {1, 2}) save_checkpoint(folder.path(), step, state_of(step));
  std::vector<std::string> told;
  const auto listen = [&](const std::string& why) { told.push_back(why); };
  damage(folder / "step_00000002" / "state.safetensors");
  EXPECT_EQ(*latest_checkpoint(folder.path(), listen), folder / "step_00000001");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("step_00000002"), std::string::npos) << told[0];
  write_bytes(folder / "step_00000001" / "manifest.json", R"({"schema":2})");
  EXPECT_NE(input_error([&] { latest_checkpoint(folder.path()); }).find("step_00000002"), std::string::npos);
}

// The three states that a kill between the renames of a replacement can leave.
TEST(Checkpoint, FindsTheReplacedOneAfterAKillBetweenRenames) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), 4, state_of(4));
  const fs::path path = save_checkpoint(folder.path(), 5, state_of(1));
  fs::rename(path, folder / "step_00000005.old");
  EXPECT_EQ(weight_of(*latest_checkpoint(folder.path())), 1);
  save_checkpoint(folder.path(), 5, state_of(2));  // killed before the .old was removed, then resumed
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"step_00000004", "step_00000005"}));
  fs::copy(path, folder / "step_00000005.old", fs::copy_options::recursive);
  save_checkpoint(folder.path(), 5, state_of(3));
  EXPECT_EQ(weight_of(*latest_checkpoint(folder.path())), 3);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"step_00000004", "step_00000005"}));
}

TEST(Checkpoint, PruneKeepsTheNewestComplete) {
  const TemporaryFolder folder;
  for (int step = 1; step <= 6; ++step) save_checkpoint(folder.path(), step, state_of(step));
  fs::remove(folder / "step_00000006" / "manifest.json");  // not complete: does not count
  fs::create_directory(folder / "step_00000007.tmp");
  fs::create_directory(folder / "other");
  prune_checkpoints(folder.path(), 2);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"other", "step_00000004", "step_00000005"}));
  prune_checkpoints(folder.path(), 0);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"other", "step_00000005"}));
}

TEST(Checkpoint, LeavesNothingBehindWhereItCannotWrite) {
  const TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_THROW(save_checkpoint(folder / "file" / "checkpoints", 1, state_of(1)), RunError);
  State wrong;
  wrong.tensors["c"] = at::zeros({1}, at::kComplexDouble);  // no such type in the file format
  EXPECT_THROW(save_checkpoint(folder / "checkpoints", 1, wrong), InputError);
  EXPECT_TRUE(fs::is_empty(folder / "checkpoints"));
}

TEST(Checkpoint, SurvivesKillsAtRandomInstants) {
  const TemporaryFolder folder;
  const fs::path checkpoints = folder / "checkpoints";
  std::vector<State> states;  // made here: a forked child should not start LibTorch's threads
  for (int step = 0; step < 4; ++step) states.push_back(state_of(step));
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // Each step is saved twice, so that replacements are interrupted too.
      for (std::int64_t save = round * 1000;; ++save) {
        save_checkpoint(checkpoints, save / 2, states[static_cast<std::size_t>(save / 2 % 4)]);
        if (::write(pipe[1], &save, sizeof save) != sizeof save) ::_exit(1);
        prune_checkpoints(checkpoints, 2);
      }
    }
    ::close(pipe[1]);
    std::int64_t acknowledged = -1;
    ASSERT_EQ(::read(pipe[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (std::int64_t save; ::read(pipe[0], &save, sizeof save) == static_cast<ssize_t>(sizeof save);)
      acknowledged = save;
    ::close(pipe[0]);

    const auto latest = latest_checkpoint(checkpoints);
    ASSERT_TRUE(latest.has_value());
    const Checkpoint loaded = load_checkpoint(*latest);
    EXPECT_GE(loaded.step, acknowledged / 2);
    expect_same(loaded.state.tensors, states[static_cast<std::size_t>(loaded.step % 4)].tensors);
  }
}

}  // namespace
}  // namespace drystill::io
