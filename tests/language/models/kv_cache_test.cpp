#include "language/models/kv_cache.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/language/models/tiny_models.h"

namespace drystill::language::testing {
namespace {

TransformerOptions cache_options() {
  TransformerOptions options;
  options.kv_heads = 2;
  options.head_dim = 3;
  return options;
}

TEST(KvCache, AppendsAndSelectsRows) {
  KvCache cache(cache_options(), 2, 4);
  const auto key = at::arange(2 * 2 * 3 * 3, torch::kFloat32).view({2, 2, 3, 3});
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    const auto view = cache.append(layer, key + layer, -key);
    EXPECT_TRUE(view.key.equal(key + layer));
    EXPECT_TRUE(view.value.equal(-key));
    EXPECT_EQ(cache.length(), 0);  // not before advance
  }
  cache.advance(3, at::tensor({0, 1, 1, 1, 1, 1}).to(torch::kBool).view({2, 3}));
  EXPECT_EQ(cache.length(), 3);
  EXPECT_TRUE(cache.has_padding());
  EXPECT_TRUE(cache.counts().equal(at::tensor({std::int64_t{2}, std::int64_t{3}})));

  cache.select_rows(at::tensor({std::int64_t{1}, std::int64_t{1}, std::int64_t{0}}));
  EXPECT_EQ(cache.rows(), 3);
  EXPECT_TRUE(cache.view(1).key.equal(at::stack({key[1], key[1], key[0]}) + 1));
  EXPECT_TRUE(cache.counts().equal(at::tensor({std::int64_t{3}, std::int64_t{3}, std::int64_t{2}})));
  cache.select_rows(at::tensor({std::int64_t{0}}));
  EXPECT_EQ(cache.length(), 3);
  EXPECT_EQ(cache.capacity(), 4);
  const auto next = key.narrow(0, 0, 1).narrow(2, 0, 1);
  EXPECT_TRUE(cache.append(0, next, next).key.equal(at::cat({key.narrow(0, 1, 1), next}, 2)));
}

TEST(KvCache, SaysWhenItIsFull) {
  KvCache cache(cache_options(), 1, 2);
  const auto entry = at::zeros({1, 2, 3, 3});
  EXPECT_THROW(cache.append(0, entry, entry), InputError);
  EXPECT_THROW(cache.append(0, entry.expand({2, 2, 3, 3}), entry), InputError);
  EXPECT_THROW(KvCache(cache_options(), 0, 2), InputError);
}

}  // namespace
}  // namespace drystill::language::testing
