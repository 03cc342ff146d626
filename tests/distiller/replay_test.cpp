#include "distiller/replay.h"

#include <gtest/gtest.h>

namespace drystill::distiller {
namespace {

// A ring of four that is full: two samples are drawn from it, then two new ones take the places 0 and 1.
TEST(StoreFresh, ADrawnSampleThatIsReplacedHasNoPlaceAnyMore) {
  curriculum::ReplayBank bank({.capacity = 4});
  bank.insert(torch::arange(4).view({4, 1}), torch::ones({4}));
  torch::Tensor slots = slots_of_batch(2, torch::tensor({1, 3}));
  store_fresh(bank, torch::tensor({10, 11}).view({2, 1}), slots);
  EXPECT_TRUE(slots.equal(torch::tensor({0, 1, -1, 3}))) << slots;
}

TEST(StoreFresh, NothingIsDrawnAtFirst) {
  curriculum::ReplayBank bank({.capacity = 4});
  torch::Tensor slots = slots_of_batch(2, {});
  store_fresh(bank, torch::tensor({10, 11}).view({2, 1}), slots);
  EXPECT_TRUE(slots.equal(torch::tensor({0, 1}))) << slots;
}

}  // namespace
}  // namespace drystill::distiller
