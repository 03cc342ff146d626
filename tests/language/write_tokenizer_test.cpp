#include "language/tokenizer/write_tokenizer.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "language/load_language_model.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/io/gguf_bytes.h"
#include "tests/language/models/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language {
namespace {

namespace fs = std::filesystem;

// A .gguf file of the tokens "a", "b" and "ab", and of "<s>" and "</s>", which may begin and end texts.
fs::path write_small_vocabulary(const fs::path& path, const std::string& pre, std::optional<bool> add_bos,
                                bool add_eos = false, const std::string& chat_template = "") {
  constexpr std::uint32_t kUint32 = 4, kInt32 = 5, kBool = 7, kString = 8, kArray = 9;  // value types
  const auto text = [](const std::string& value) { return io::GgufBytes::text(value); };
  const auto number = [](std::uint64_t value) { return io::little_endian(value, 4); };
  const auto array = [](std::uint32_t type, const std::vector<std::string>& values) {
    std::string bytes = io::little_endian(type, 4) + io::little_endian(values.size(), 8);
    for (const std::string& value : values) bytes += value;
    return bytes;
  };
  io::GgufBytes file;
  file.pair("tokenizer.ggml.model", kString, text("gpt2"));
  file.pair("tokenizer.ggml.pre", kString, text(pre));
  file.pair("tokenizer.ggml.tokens", kArray,
            array(kString, {text("<s>"), text("a"), text("b"), text("ab"), text("</s>")}));
  file.pair("tokenizer.ggml.merges", kArray, array(kString, {text("a b")}));
  file.pair("tokenizer.ggml.token_type", kArray,
            array(kInt32, {number(3), number(1), number(1), number(1), number(3)}));
  file.pair("tokenizer.ggml.bos_token_id", kUint32, number(0));
  file.pair("tokenizer.ggml.eos_token_id", kUint32, number(4));
  if (add_bos) file.pair("tokenizer.ggml.add_bos_token", kBool, std::string(1, *add_bos ? '\1' : '\0'));
  if (add_eos) file.pair("tokenizer.ggml.add_eos_token", kBool, std::string(1, '\1'));
  if (!chat_template.empty()) file.pair("tokenizer.chat_template", kString, text(chat_template));
  return io::write_bytes(path, file.bytes());
}

TEST(WriteTokenizer, BeginsTextsWhereTheGgufFileDoes) {
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    for (const std::optional<bool> add_bos :
         {std::optional<bool>(), std::optional<bool>(true), std::optional<bool>(false)}) {
      const drystill::testing::TemporaryFolder folder;
      const fs::path file = write_small_vocabulary(folder / "model.gguf", pre, add_bos);
      write_tokenizer(file, folder / "model");
      const bool begins = add_bos.value_or(std::string_view(pre) == "llama-bpe");
      const std::vector<std::int64_t> expected =
          begins ? std::vector<std::int64_t>{0, 3} : std::vector<std::int64_t>{3};
      EXPECT_EQ(load_tokenizer(file).encode("ab", {.add_special = true}), expected) << pre;
      EXPECT_EQ(load_tokenizer(folder / "model").encode("ab", {.add_special = true}), expected) << pre;
    }
  }
}

TEST(WriteTokenizer, EndsTextsWhereTheGgufFileDoes) {
  for (const bool add_bos : {false, true}) {
    const drystill::testing::TemporaryFolder folder;
    const fs::path file = write_small_vocabulary(folder / "model.gguf", "gpt-2", add_bos, true);
    write_tokenizer(file, folder / "model");
    const std::vector<std::int64_t> expected =
        add_bos ? std::vector<std::int64_t>{0, 3, 4} : std::vector<std::int64_t>{3, 4};
    EXPECT_EQ(load_tokenizer(file).encode("ab", {.add_special = true}), expected);
    EXPECT_EQ(load_tokenizer(folder / "model").encode("ab", {.add_special = true}), expected);
  }
}

// JSON could not hold it: it would be found out with half a model written.
TEST(WriteTokenizer, ATemplateThatIsNoUtf8LeavesNothingBehind) {
  const drystill::testing::TemporaryFolder folder;
  const fs::path file = write_small_vocabulary(folder / "model.gguf", "gpt-2", false, false, "a\xFF");
  const std::string message = io::input_error([&] { load_tokenizer(file); });
  EXPECT_NE(message.find("tokenizer.chat_template"), std::string::npos) << message;
  EXPECT_THROW(write_tokenizer(file, folder / "tokenizer"), InputError);
  EXPECT_FALSE(fs::exists(folder / "tokenizer"));
  const auto model = testing::golden_model("llama");
  for (const fs::path& source : {file, folder / "nowhere"}) {
    EXPECT_THROW(save_language_model(folder / "model", *model, source), InputError);
    EXPECT_FALSE(fs::exists(folder / "model"));
  }
}

TEST(WriteTokenizer, LeavesNothingOfAnotherTokenizer) {
  const drystill::testing::TemporaryFolder folder;
  const fs::path file = write_small_vocabulary(folder / "model.gguf", "gpt-2", false), plain = folder / "plain";
  write_tokenizer(file, plain);
  io::write_bytes(plain / "added_tokens.json", "{}");
  for (const fs::path& source : {file, plain}) {
    const fs::path out = folder / "out";
    fs::create_directories(out);
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "chat_template.jinja", "added_tokens.json", "notes.txt"}) {
      io::write_bytes(out / name, "another model's");
    }
    write_tokenizer(source, out);
    EXPECT_EQ(load_tokenizer(out).chat_template(), std::nullopt);
    EXPECT_FALSE(fs::exists(out / "chat_template.jinja"));
    EXPECT_FALSE(fs::exists(out / "special_tokens_map.json"));
    EXPECT_EQ(fs::exists(out / "added_tokens.json"), source == plain);
    EXPECT_TRUE(fs::exists(out / "notes.txt"));
  }
  write_tokenizer(plain, plain);
  EXPECT_TRUE(fs::exists(plain / "added_tokens.json"));
}

}  // namespace
}  // namespace drystill::language
