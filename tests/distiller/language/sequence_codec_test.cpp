#include "distiller/language/sequence_codec.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace drystill::distiller {
namespace {

void expect_equal(const Sequence& a, const Sequence& b) {
  EXPECT_EQ(a.teacher_prompt, b.teacher_prompt);
  EXPECT_EQ(a.student_prompt, b.student_prompt);
  EXPECT_EQ(a.completion, b.completion);
  EXPECT_EQ(a.sampler_log_probabilities, b.sampler_log_probabilities);
  EXPECT_EQ(a.importance, b.importance);
  EXPECT_EQ(a.weight, b.weight);
}

TEST(SequenceCodec, ReturnsWhatItWasGiven) {
  const Sequence full{.teacher_prompt = {1, 49151, 3},
                      .student_prompt = {2},
                      .completion = {7, 8},
                      .sampler_log_probabilities = {-1.5F, -0.F},
                      .importance = {0.25F, 4.F},
                      .weight = 0.1};
  expect_equal(decode(encode(full, 3)), full);
  Sequence bare{.teacher_prompt = {1}, .student_prompt = {2}, .completion = {3}};
  expect_equal(decode(encode(bare, 64)), bare);
  bare.importance = {2.F};
  expect_equal(decode(encode(bare, 1)), bare);
}

TEST(SequenceCodec, RefusesWhatDoesNotFit) {
  EXPECT_THROW(encode({.teacher_prompt = {1, 2}, .student_prompt = {1}, .completion = {1}}, 1), InputError);
  torch::Tensor row = encode({.teacher_prompt = {1}, .student_prompt = {1}, .completion = {1}}, 2);
  row[2] = 1'000'000;
  EXPECT_THROW(decode(row), InputError);
  row[2] = -1;
  EXPECT_THROW(decode(row), InputError);
}

}  // namespace
}  // namespace drystill::distiller
