#include "language/models/gguf_names.h"

#include <gtest/gtest.h>

#include <bit>
#include <utility>

#include "tests/io/gguf_bytes.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language::testing {
namespace {

constexpr std::uint32_t kGgufUint32 = 4, kGgufInt32 = 5, kGgufFloat = 6, kGgufText = 8, kGgufArray = 9;  // value types

// The metadata of a llama with heads of width 4, and of its tensors those that tell the options.
class LlamaHeader {
 public:
  LlamaHeader() {
    file_.pair("general.architecture", kGgufText, io::GgufBytes::text("llama"));
    for (const auto& [key, value] : {std::pair("block_count", 1),
                                     {"embedding_length", 8},
                                     {"feed_forward_length", 8},
                                     {"attention.head_count", 2},
                                     {"context_length", 16}}) {
      number("llama." + std::string(key), static_cast<std::uint32_t>(value));
    }
    file_.tensor("token_embd.weight", {8, 8}, 0, 0);
    file_.data = std::string(256, '\0');
  }

  LlamaHeader& number(const std::string& key, std::uint32_t value) {
    file_.pair(key, kGgufUint32, io::little_endian(value, 4));
    return *this;
  }
  LlamaHeader& real(const std::string& key, float value) {
    file_.pair("llama.rope." + key, kGgufFloat, io::little_endian(std::bit_cast<std::uint32_t>(value), 4));
    return *this;
  }
  LlamaHeader& scaling_type(const std::string& type) {
    file_.pair("llama.rope.scaling.type", kGgufText, io::GgufBytes::text(type));
    return *this;
  }
  LlamaHeader& frequency_factors() {
    file_.tensor("rope_freqs.weight", {2}, 0, file_.data.size());
    for (int i = 0; i < 2; ++i) file_.data += io::little_endian(std::bit_cast<std::uint32_t>(1.f), 4);
    return *this;
  }
  // Tokens with their types.
  LlamaHeader& tokens(const std::vector<std::pair<std::string, std::uint32_t>>& list) {
    std::string texts = io::little_endian(kGgufText, 4) + io::little_endian(list.size(), 8);
    std::string types = io::little_endian(kGgufInt32, 4) + io::little_endian(list.size(), 8);
    for (const auto& [token, type] : list) {
      texts += io::GgufBytes::text(token);
      types += io::little_endian(type, 4);
    }
    file_.pair("tokenizer.ggml.tokens", kGgufArray, texts);
    file_.pair("tokenizer.ggml.token_type", kGgufArray, types);
    return *this;
  }

  TransformerOptions options() const {
    const drystill::testing::TemporaryFolder folder;
    return gguf_options(io::GgufFile(io::write_bytes(folder / "a.gguf", file_.bytes())));
  }
  std::string refusal() const {
    return io::input_error([&] { options(); });
  }

 private:
  io::GgufBytes file_;
};

// As llama.cpp: no type is the linear one; `scale_linear` is the older name of its factor.
TEST(GgufRotaryPositions, WithoutATypeAreScaledLinearly) {
  const auto rope = [](const LlamaHeader& header) { return header.options().rope; };
  EXPECT_EQ(rope(LlamaHeader()).scaling, RopeScaling::kNone);
  EXPECT_EQ(rope(LlamaHeader().real("scaling.factor", 1)).scaling, RopeScaling::kNone);
  EXPECT_EQ(rope(LlamaHeader().real("scaling.factor", 4)).scaling, RopeScaling::kLinear);
  EXPECT_EQ(rope(LlamaHeader().real("scaling.factor", 4)).factor, 4);
  EXPECT_EQ(rope(LlamaHeader().real("scale_linear", 2)).factor, 2);
  EXPECT_EQ(rope(LlamaHeader().real("scale_linear", 2).real("scaling.factor", 4)).factor, 4);
  EXPECT_EQ(rope(LlamaHeader().scaling_type("linear").real("scale_linear", 2)).scaling, RopeScaling::kLinear);
  EXPECT_EQ(rope(LlamaHeader().scaling_type("none").real("scaling.factor", 4)).scaling, RopeScaling::kNone);
}

TEST(GgufRotaryPositions, RefuseWhatIsNotComputed) {
  EXPECT_EQ(LlamaHeader().real("scaling.attn_factor", 1).options().rope.scaling, RopeScaling::kNone);
  EXPECT_NE(LlamaHeader().real("scaling.attn_factor", 0.5).refusal().find("'llama.rope.scaling.attn_factor'"),
            std::string::npos);
  EXPECT_NE(LlamaHeader().real("scaling.factor", 4).frequency_factors().refusal().find("'rope_freqs.weight'"),
            std::string::npos);
  EXPECT_NE(LlamaHeader().real("scaling.factor", 0).refusal(), "");
}

TEST(GgufEndTokens, AreThoseNamedAndThoseSpeltSo) {
  using Ids = std::vector<std::int64_t>;
  LlamaHeader named;
  for (const auto& [name, id] : {std::pair("eos", 2U), {"eot", 5U}, {"eom", 7U}}) {
    named.number("tokenizer.ggml." + std::string(name) + "_token_id", id);
  }
  EXPECT_EQ(named.options().eos_tokens, (Ids{2, 5, 7}));
  // Of SmolLM2: a control token (3) each, the one named first.
  LlamaHeader spelt;
  spelt.number("tokenizer.ggml.eos_token_id", 2);
  spelt.tokens({{"<|endoftext|>", 3}, {"<|im_start|>", 3}, {"<|im_end|>", 3}});
  EXPECT_EQ(spelt.options().eos_tokens, (Ids{2, 0}));
  LlamaHeader all;
  all.tokens({{"<|eot_id|>", 3},
              {"<|eom_id|>", 3},
              {"<|end|>", 3},
              {"<|end_of_text|>", 3},
              {"</s>", 3},
              {"<|im_end|>", 1},  // words, not markers
              {"<|endoftext|>", 4}});
  EXPECT_EQ(all.options().eos_tokens, (Ids{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace drystill::language::testing
