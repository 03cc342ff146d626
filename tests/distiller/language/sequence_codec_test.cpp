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
  EXPECT_EQ(a.own_log_probabilities, b.own_log_probabilities);
  EXPECT_EQ(a.importance, b.importance);
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.top_ids, b.top_ids);
  EXPECT_EQ(a.top_log_probabilities, b.top_log_probabilities);
  EXPECT_EQ(a.teacher_completion, b.teacher_completion);
  EXPECT_EQ(a.student_places, b.student_places);
  EXPECT_EQ(a.teacher_places, b.teacher_places);
}

TEST(SequenceCodec, ReturnsWhatItWasGiven) {
  const Sequence full{.teacher_prompt = {1, 49151, 3},
                      .student_prompt = {2},
                      .completion = {7, 8},
                      .sampler_log_probabilities = {-1.5F, -0.F},
                      .importance = {0.25F, 4.F},
                      .weight = 0.1};
  expect_equal(decode(encode(full, {3})), full);
  Sequence bare{.teacher_prompt = {1}, .student_prompt = {2}, .completion = {3}};
  expect_equal(decode(encode(bare, {64})), bare);
  expect_equal(decode(encode(full)), full);
  EXPECT_LT(encode(bare).size(0), encode(bare, {64}).size(0));
  bare.own_log_probabilities = {-3.F};
  expect_equal(decode(encode(bare, {.longest = 1, .own_log_probabilities = true})), bare);
  bare.importance = {2.F};
  expect_equal(decode(encode(bare, {1})), bare);
  bare.top_ids = {5, 6};
  bare.top_log_probabilities = {-0.5F, -2.F};
  expect_equal(decode(encode(bare, {.longest = 1, .top_k = 2})), bare);
  bare.teacher_completion = {9, 10};
  bare.student_places = {0};
  bare.teacher_places = {1};
  expect_equal(decode(encode(bare, {.longest = 2, .top_k = 2, .two_tokenizers = true})), bare);
  EXPECT_THROW(encode(bare, {.longest = 1}), InputError);
}

TEST(SequenceCodec, RefusesWhatDoesNotFit) {
  EXPECT_THROW(encode({.teacher_prompt = {1, 2}, .student_prompt = {1}, .completion = {1}}, {1}), InputError);
  torch::Tensor row = encode({.teacher_prompt = {1}, .student_prompt = {1}, .completion = {1}}, {2});
  row[2] = 1'000'000;
  EXPECT_THROW(decode(row), InputError);
  row[2] = -1;
  EXPECT_THROW(decode(row), InputError);
}

}  // namespace
}  // namespace drystill::distiller
