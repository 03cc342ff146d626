#include "core/seeds.h"

#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace drystill {
namespace {

torch::Tensor draw(at::Generator generator, std::int64_t count = 64) {
  return at::rand({count}, generator);
}

TEST(Seeds, EqualSeedAndNameGiveEqualStreams) {
  SeedStreams a(7), b(7);
  EXPECT_TRUE(draw(a.stream("latent")).equal(draw(b.stream("latent"))));
}

TEST(Seeds, OtherSeedsAndNamesGiveOtherStreams) {
  SeedStreams a(7), b(8);
  const auto numbers = draw(a.stream("latent"));
  EXPECT_FALSE(numbers.equal(draw(b.stream("latent"))));
  EXPECT_FALSE(numbers.equal(draw(a.stream("latent2"))));
}

TEST(Seeds, OneStreamDoesNotDisturbAnother) {
  SeedStreams quiet(3), busy(3);
  draw(quiet.stream("a"));
  draw(busy.stream("b"), 1000);
  draw(busy.stream("a"));
  draw(busy.cpu_stream("c"), 1000);
  EXPECT_TRUE(draw(quiet.stream("a")).equal(draw(busy.stream("a"))));
}

TEST(Seeds, TheSameNameIsTheSameStream) {
  SeedStreams seeds(3);
  EXPECT_FALSE(draw(seeds.stream("a")).equal(draw(seeds.stream("a"))));
}

TEST(Seeds, ContinueExactlyFromTheirState) {
  SeedStreams seeds(11);
  draw(seeds.stream("latent"), 13);
  draw(seeds.cpu_stream("order"), 5);
  State state;
  seeds.save(StateWriter(state));
  const auto latent = draw(seeds.stream("latent"));
  const auto order = draw(seeds.cpu_stream("order"));

  SeedStreams resumed(11);
  // A handle taken before the load must see it: components keep their streams.
  const auto handle = resumed.stream("latent");
  resumed.load(StateReader(state));
  EXPECT_TRUE(draw(handle).equal(latent));
  EXPECT_TRUE(draw(resumed.cpu_stream("order")).equal(order));
}

TEST(Seeds, RefuseTheStateOfAnotherSeed) {
  SeedStreams seeds(11);
  State state;
  seeds.save(StateWriter(state));
  SeedStreams other(12);
  EXPECT_THROW(other.load(StateReader(state)), InputError);
}

}  // namespace
}  // namespace drystill
