#include "io/checksum.h"

#include <gtest/gtest.h>

namespace drystill::io {
namespace {

std::string sum_of(std::string_view text) {
  return checksum(std::as_bytes(std::span(text)));
}

// The published value for no bytes at all (xxHash, tests of XXH3-128 with seed 0).
TEST(Checksum, OfNothing) {
  EXPECT_EQ(sum_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Checksum().text(), sum_of(""));
}

TEST(Checksum, DoesNotDependOnThePieces) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * i);
  for (const std::size_t piece : {1U, 7U, 256U, 1024U}) {
    Checksum sum;
    for (std::size_t i = 0; i < text.size(); i += piece) sum.add(std::string_view(text).substr(i, piece));
    EXPECT_EQ(sum.text(), sum_of(text));
  }
  std::string other = text;
  other[2999] ^= 1;
  EXPECT_NE(sum_of(other), sum_of(text));
}

}  // namespace
}  // namespace drystill::io
