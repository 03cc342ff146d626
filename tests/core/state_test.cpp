#include "core/state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace drystill {
namespace {

TEST(State, RoundTripsValuesExactly) {
  State state;
  StateWriter writer(state);
  const std::vector<double> reals{0.1, -0.0, 1e-310, std::numeric_limits<double>::max(),
                                  std::numeric_limits<double>::infinity()};
  for (std::size_t i = 0; i < reals.size(); ++i) writer.real("real" + std::to_string(i), reals[i]);
  writer.real("nan", std::nan(""));
  writer.integer("least", std::numeric_limits<std::int64_t>::min());
  writer.text("text", "a\nb \"c\"");

  const StateReader reader(state);
  for (std::size_t i = 0; i < reals.size(); ++i) {
    const double read = reader.real("real" + std::to_string(i));
    EXPECT_EQ(read, reals[i]);
    EXPECT_EQ(std::signbit(read), std::signbit(reals[i]));
  }
  EXPECT_TRUE(std::isnan(reader.real("nan")));
  EXPECT_EQ(reader.integer("least"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.text("text"), "a\nb \"c\"");
}

TEST(State, PartsHaveTheirOwnNames) {
  State state;
  StateWriter writer(state);
  writer.part("a").integer("n", 1);
  writer.part("b").part("a").integer("n", 2);
  EXPECT_EQ(StateReader(state).part("a").integer("n"), 1);
  EXPECT_EQ(StateReader(state).integer("b.a.n"), 2);
}

TEST(State, TensorsAreCopiesOfTheMoment) {
  State state;
  auto tensor = torch::arange(6, torch::kFloat32).view({2, 3});
  StateWriter(state).tensor("t", tensor.t());
  tensor.zero_();
  const auto saved = StateReader(state).tensor("t");
  EXPECT_TRUE(saved.is_contiguous());
  EXPECT_TRUE(saved.equal(torch::arange(6, torch::kFloat32).view({2, 3}).t()));
}

TEST(State, SaysWhatIsMissingOrDoesNotFit) {
  State state;
  StateWriter(state).tensor("t", torch::zeros({2, 3}));
  StateWriter(state).text("word", "seven");
  const StateReader reader(state);
  EXPECT_THROW(reader.tensor("u"), InputError);
  EXPECT_THROW(reader.integer("n"), InputError);
  EXPECT_THROW(reader.integer("word"), InputError);
  EXPECT_THROW(reader.real("word"), InputError);
  try {
    reader.copy_into("t", torch::zeros({3, 2}));
    FAIL() << "expected InputError";
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("'t'"), std::string::npos) << message;
    EXPECT_NE(message.find("[3, 2]"), std::string::npos) << message;
    EXPECT_NE(message.find("[2, 3]"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace drystill
