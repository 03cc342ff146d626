#include "curriculum/replay_bank.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"

namespace drystill::curriculum {
namespace {

at::Generator generator(std::uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

torch::Tensor numbered(std::int64_t first, std::int64_t count) {
  return torch::arange(first, first + count, torch::kUInt8).view({count, 1});
}

std::set<int> held(const ReplayBank& bank, std::int64_t draws = 2000) {
  std::set<int> values;
  const auto samples = bank.draw(draws, generator(1)).samples;
  for (std::int64_t i = 0; i < draws; ++i) values.insert(samples[i][0].item<std::uint8_t>());
  return values;
}

TEST(ReplayBank, KeepsTheNewestAcrossTheEndOfTheRing) {
  ReplayBank bank({.capacity = 5});
  bank.insert(numbered(0, 3), torch::ones({3}));
  EXPECT_EQ(bank.size(), 3);
  const auto slots = bank.insert(numbered(3, 4), torch::ones({4}));
  EXPECT_EQ(bank.size(), 5);
  EXPECT_TRUE(slots.equal(torch::tensor({3, 4, 0, 1}, torch::kInt64)));
  EXPECT_EQ(held(bank), (std::set<int>{2, 3, 4, 5, 6}));
}

TEST(ReplayBank, ABatchLargerThanTheRingLeavesItsTail) {
  ReplayBank bank({.capacity = 4});
  bank.insert(numbered(0, 11), torch::ones({11}));
  EXPECT_EQ(held(bank), (std::set<int>{7, 8, 9, 10}));
}

TEST(ReplayBank, DrawsByWeight) {
  ReplayBank bank({.capacity = 4, .draw = ReplayDraw::kCurriculum});
  const auto slots = bank.insert(numbered(0, 4), torch::ones({4}));
  bank.reweigh(slots, torch::tensor({0.0, 3.0, 1.0, 0.0}));
  const auto samples = bank.draw(8000, generator(3)).samples.to(torch::kFloat64);
  EXPECT_EQ(samples.min().item<double>(), 1);
  EXPECT_EQ(samples.max().item<double>(), 2);
  EXPECT_NEAR(samples.eq(1).to(torch::kFloat64).mean().item<double>(), 0.75, 0.02);
}

TEST(ReplayBank, AllWeightsZeroFallsBackToUniform) {
  ReplayBank bank({.capacity = 3, .draw = ReplayDraw::kCurriculum});
  bank.insert(numbered(0, 3), torch::zeros({3}));
  EXPECT_EQ(held(bank).size(), 3U);
}

TEST(ReplayBank, SavedAndLoadedItDrawsTheSame) {
  ReplayBank bank({.capacity = 5, .draw = ReplayDraw::kCurriculum});
  bank.insert(numbered(0, 7), torch::rand({7}, generator(9)));
  State state;
  bank.save(StateWriter(state, "bank."));
  ReplayBank copy({.capacity = 5, .draw = ReplayDraw::kCurriculum});
  copy.load(StateReader(state, "bank."), torch::kCPU);
  EXPECT_TRUE(bank.draw(50, generator(4)).samples.equal(copy.draw(50, generator(4)).samples));
  bank.insert(numbered(20, 2), torch::ones({2}));
  copy.insert(numbered(20, 2), torch::ones({2}));
  EXPECT_TRUE(bank.draw(50, generator(5)).slots.equal(copy.draw(50, generator(5)).slots));
}

TEST(ReplayBank, RefusesASavedBankOfAnotherSize) {
  ReplayBank bank({.capacity = 9});
  bank.insert(numbered(0, 9), torch::ones({9}));
  State state;
  bank.save(StateWriter(state, "bank."));
  ReplayBank small({.capacity = 4});
  EXPECT_THROW(small.load(StateReader(state, "bank."), torch::kCPU), InputError);
  // What was full goes on in the middle: in a larger ring there would be empty slots behind it.
  ReplayBank large({.capacity = 12});
  EXPECT_THROW(large.load(StateReader(state, "bank."), torch::kCPU), InputError);
}

TEST(ReplayBank, RefusesASavedBankThatIsDamaged) {
  ReplayBank bank({.capacity = 4});
  bank.insert(numbered(0, 3), torch::ones({3}));
  for (const char* name : {"bank.samples", "bank.weights"}) {
    State state;
    bank.save(StateWriter(state, "bank."));
    state.tensors[name] = torch::ones({});
    ReplayBank copy({.capacity = 4});
    EXPECT_THROW(copy.load(StateReader(state, "bank."), torch::kCPU), InputError) << name;
  }
}

}  // namespace
}  // namespace drystill::curriculum
