#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace drystill::language::testing {
namespace {

// The models of these tests are so small that a second thread only waits.
class OneThread : public ::testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace
}  // namespace drystill::language::testing
