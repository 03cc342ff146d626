#include "core/error.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace drystill {
namespace {

TEST(EditDistance, KnownAnswers) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("saturday", "sunday"), 3u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(NearestName, FindsASlip) {
  const std::vector<std::string> names{"learning_rate", "momentum", "weight_decay"};
  EXPECT_EQ(nearest_name("learning_rat", names), "learning_rate");
  EXPECT_EQ(nearest_name("momentun", names), "momentum");
  EXPECT_EQ(nearest_name("wieght_decay", names), "weight_decay");
}

TEST(NearestName, StaysSilentOnAnotherWord) {
  const std::vector<std::string> names{"learning_rate", "momentum"};
  EXPECT_EQ(nearest_name("epochs", names), "");
  EXPECT_EQ(nearest_name("x", std::vector<std::string>{}), "");
}

TEST(Error, EachKindHasItsExitCode) {
  EXPECT_EQ(ConfigError("").code(), ExitCode::kUsage);
  EXPECT_EQ(InputError("").code(), ExitCode::kInput);
  EXPECT_EQ(DivergedError("").code(), ExitCode::kDiverged);
  EXPECT_EQ(RunError("").code(), ExitCode::kFailed);
  EXPECT_EQ(static_cast<int>(ExitCode::kOutOfMemory), 5);
  EXPECT_EQ(Interrupted(15).signal(), 15);
}

}  // namespace
}  // namespace drystill
