#include "core/stop_request.h"

#include <gtest/gtest.h>

#include <csignal>

namespace drystill {
namespace {

TEST(StopRequest, ASignalAsksToStopOnce) {
  install_stop_handlers();
  EXPECT_EQ(stop_requested(), 0);
  std::raise(SIGTERM);
  EXPECT_EQ(stop_requested(), SIGTERM);
  request_stop(0);
  EXPECT_EQ(stop_requested(), 0);
}

TEST(StopRequestDeathTest, TheSecondSignalKills) {
  EXPECT_EXIT(
      {
        install_stop_handlers();
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace drystill
