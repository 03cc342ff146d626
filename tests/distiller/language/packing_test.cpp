#include "distiller/language/packing.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::distiller {
namespace {

const std::vector<Sequence> kSequences = {
    {.teacher_prompt = {1, 2, 3}, .student_prompt = {4}, .completion = {10, 11}},
    {.teacher_prompt = {5}, .student_prompt = {6, 7}, .completion = {12, 13, 14}},
};

TEST(Pack, PutsEveryCompletionBehindItsPrompt) {
  const auto view = pack(kSequences, Side::kTeacher, torch::kCPU);
  EXPECT_TRUE(view.tokens.ids.equal(torch::tensor({{1, 2, 3, 10}, {5, 12, 13, 0}}, torch::kInt64)));
  EXPECT_TRUE(view.tokens.mask.equal(torch::tensor({1, 1, 1, 1, 1, 1, 1, 0}, torch::kBool).view({2, 4})));
  EXPECT_TRUE(view.predictors.equal(torch::tensor({2, 3, 4, 5, 6}, torch::kInt64)));
  EXPECT_TRUE(completion_tokens(kSequences, torch::kCPU).equal(torch::tensor({10, 11, 12, 13, 14}, torch::kInt64)));
}

// The first token of the second completion would be predicted from what the first one ends with.
TEST(Pack, RefusesAnEmptyPrompt) {
  auto sequences = kSequences;
  sequences[1].student_prompt.clear();
  try {
    pack(sequences, Side::kStudent, torch::kCPU);
    FAIL() << "it was packed";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("before completion 1 of 2"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(pack(sequences, Side::kTeacher, torch::kCPU));
}

TEST(Pack, HasNoMaskWithoutPadding) {
  const auto view = pack(std::span(kSequences).first(1), Side::kStudent, torch::kCPU);
  EXPECT_FALSE(view.tokens.mask.defined());
  EXPECT_TRUE(view.tokens.ids.equal(torch::tensor({{4, 10}}, torch::kInt64)));
}

// The states at the predictors are those of each sequence alone.
TEST(Pack, PredictsTheSameInABatchAndAlone) {
  const auto model = drystill::testing::tiny_language_model(1);
  const torch::NoGradGuard no_grad;
  for (const Side side : {Side::kTeacher, Side::kStudent}) {
    const auto states = [&](std::span<const Sequence> sequences) {
      const auto view = pack(sequences, side, torch::kCPU);
      return predicting_states(model->hidden(view.tokens), view);
    };
    const auto together = states(kSequences);
    const auto alone = at::cat({states(std::span(kSequences).first(1)), states(std::span(kSequences).last(1))});
    EXPECT_LT((together - alone).abs().max().item<double>(), 1e-5);
  }
}

}  // namespace
}  // namespace drystill::distiller
