#include "distiller/language/teacher_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <set>

#include "core/error.h"
#include "distiller/language/cached_input.h"
#include "io/safetensors.h"
#include "tests/support/temporary_folder.h"

namespace drystill::distiller {
namespace {

namespace fs = std::filesystem;

// Completion of `length` tokens whose two likeliest words are 2t and 2t + 1.
Sequence sequence_of(std::int64_t length) {
  Sequence sequence{.teacher_prompt = {1, length}, .student_prompt = {2}, .completion = {}, .weight = 0.5};
  for (std::int64_t t = 0; t < length; ++t) {
    sequence.completion.push_back(10 + t);
    for (const std::int32_t word : {0, 1}) sequence.top_ids.push_back(static_cast<std::int32_t>(2 * t) + word);
    sequence.top_log_probabilities.insert(sequence.top_log_probabilities.end(), {std::log(0.5F), std::log(0.25F)});
  }
  return sequence;
}

const TeacherCacheFacts kFacts{.words = 40, .k = 2, .vocabulary = "abc", .teacher = "somebody"};

fs::path write_cache(const fs::path& folder, std::int64_t part_entries = 1 << 20) {
  TeacherCacheWriter writer(folder, kFacts, part_entries);
  for (const std::int64_t length : {3, 1, 5}) writer.add(sequence_of(length));
  writer.finish();
  EXPECT_NEAR(writer.mean_tail(), 0.25, 1e-6);
  EXPECT_EQ(writer.tokens(), 9);
  return folder / "teacher_00000.safetensors";
}

std::string error_of(const fs::path& path) {
  try {
    TeacherCache cache(path);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(TeacherCache, ReturnsWhatItWasGiven) {
  const drystill::testing::TemporaryFolder folder;
  for (const std::int64_t part_entries : {1 << 20, 4}) {  // one part, and one a sequence or two
    const fs::path at = folder / std::to_string(part_entries);
    write_cache(at, part_entries);
    const TeacherCache cache(at);
    EXPECT_EQ(cache.facts(), kFacts);
    ASSERT_EQ(cache.size(), 3);
    for (const std::int64_t i : {0, 1, 2}) {
      const Sequence expected = sequence_of(std::array{3, 1, 5}[static_cast<std::size_t>(i)]), found = cache.at(i);
      EXPECT_EQ(found.teacher_prompt, expected.teacher_prompt);
      EXPECT_EQ(found.student_prompt, expected.student_prompt);
      EXPECT_EQ(found.completion, expected.completion);
      EXPECT_EQ(found.top_ids, expected.top_ids);
      EXPECT_EQ(found.top_log_probabilities, expected.top_log_probabilities);
      EXPECT_EQ(found.weight, 0.5);
      EXPECT_EQ(cache.prompt_length(i), 2);
    }
    const auto tail = io::read_safetensors(at / "teacher_00000.safetensors").tensors.at("tail");
    EXPECT_NEAR(tail[0].item<double>(), 0.25, 1e-6);
  }
}

// They are gigabytes, and no part of the file.
TEST(TeacherCache, DoesNotKeepTheTeachersStates) {
  const drystill::testing::TemporaryFolder folder;
  TeacherCacheWriter writer(folder / "cache", kFacts);
  Sequence sequence = sequence_of(3);
  sequence.teacher_states = torch::zeros({3, 2});
  writer.add(sequence);
  EXPECT_TRUE(sequence.teacher_states.defined());
  EXPECT_EQ(sequence.teacher_states.use_count(), 1U);
}

TEST(TeacherCache, LeavesNothingUnfinished) {
  const drystill::testing::TemporaryFolder folder;
  const fs::path at = folder / "cache";
  {
    TeacherCacheWriter writer(at, kFacts, /*part_entries=*/4);
    for (const std::int64_t length : {3, 1, 5}) writer.add(sequence_of(length));
    EXPECT_TRUE(fs::exists(at / "teacher_00000.safetensors"));
  }
  EXPECT_TRUE(fs::is_empty(at));
  write_cache(at);
  EXPECT_THROW(TeacherCacheWriter(at, kFacts), InputError);
}

TEST(TeacherCache, SaysWhatIsDamaged) {
  const drystill::testing::TemporaryFolder folder;
  const fs::path file = write_cache(folder / "cache");
  EXPECT_EQ(TeacherCache(file).size(), 3);
  std::string bytes = [&] {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const auto put = [&](const std::string& content) { std::ofstream(file, std::ios::binary) << content; };
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, bytes.size() / 2, bytes.size() - 1}) {
    put(bytes.substr(0, size));
    const std::string error = error_of(file);
    EXPECT_NE(error.find("teacher_00000.safetensors"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
  std::string flipped = bytes;
  flipped[bytes.size() - 3] ^= 1;
  put(flipped);
  EXPECT_NE(error_of(folder / "cache").find("checksum"), std::string::npos);
  std::string facts = bytes;  // the metadata are summed as well
  facts.replace(facts.find("\"40\""), 4, "\"41\"");
  put(facts);
  EXPECT_NE(error_of(file).find("checksum"), std::string::npos);
  io::write_safetensors(file, {{"x", torch::zeros({1})}});
  EXPECT_NE(error_of(file).find("no teacher cache"), std::string::npos);
  EXPECT_NE(error_of(folder / "nothing").find("nothing"), std::string::npos);
  fs::create_directories(folder / "empty");
  EXPECT_NE(error_of(folder / "empty").find("synthesize --logits"), std::string::npos);
}

TEST(TeacherCache, MissesAPart) {
  const drystill::testing::TemporaryFolder folder;
  write_cache(folder / "cache", 4);
  EXPECT_NE(error_of(folder / "cache" / "teacher_00000.safetensors").find("part is missing"), std::string::npos);
  fs::remove(folder / "cache" / "teacher_00000.safetensors");
  EXPECT_NE(error_of(folder / "cache").find("part is missing"), std::string::npos);
  EXPECT_THROW(write_cache(folder / "cache"), InputError);
}

TEST(CachedInput, GivesEverySequenceOnceARound) {
  const drystill::testing::TemporaryFolder folder;
  write_cache(folder / "cache");
  const TeacherCache cache(folder / "cache");
  SeedStreams seeds(1), other_seeds(1);
  CachedInput input(cache, 2, 5, seeds), resumed(cache, 2, 5, other_seeds);
  std::multiset<std::size_t> lengths;
  for (int i = 0; i < 3; ++i) {
    for (const Sequence& sequence : input.next({}).sequences) lengths.insert(sequence.completion.size());
  }
  EXPECT_EQ(lengths, (std::multiset<std::size_t>{1, 1, 3, 3, 3, 3}));  // that of 5 was cut at 5 - 2 tokens
  State state;
  input.save(StateWriter(state));
  seeds.save(StateWriter(state, "seeds."));
  resumed.load(StateReader(state));
  other_seeds.load(StateReader(state, "seeds."));
  for (int i = 0; i < 4; ++i) {
    const auto a = input.next({}).sequences, b = resumed.next({}).sequences;
    for (const std::size_t row : {0U, 1U}) EXPECT_EQ(a[row].teacher_prompt, b[row].teacher_prompt);
  }
  EXPECT_THROW(CachedInput(cache, 2, 2, seeds), InputError);
}

}  // namespace
}  // namespace drystill::distiller
