#include "io/gguf.h"

#include <ATen/ops/arange.h>

#include "io/model_file.h"
#include "io/safetensors.h"
#include "tests/io/gguf_bytes.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

constexpr std::uint32_t kF32 = 0, kQ40 = 2, kQ80 = 8, kQ2K = 10;          // tensor types
constexpr std::uint32_t kUint32 = 4, kBool = 7, kString = 8, kArray = 9;  // value types

class Gguf : public ::testing::Test {
 protected:
  std::string refusal(const std::string& bytes) {
    return input_error([&] { GgufFile(write_bytes(folder / "a.gguf", bytes)); });
  }
  void expect_refusal(const std::string& bytes, const std::string& reason) {
    const std::string message = refusal(bytes);
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  }
  GgufFile open(const std::string& bytes) { return GgufFile(write_bytes(folder / "a.gguf", bytes)); }

  TemporaryFolder folder;
};

TEST_F(Gguf, DequantisesWhatTheReferenceDequantises) {
  const GgufFile file(golden("types.gguf"));
  const auto expected = read_safetensors(golden("types.safetensors")).tensors;
  std::map<std::string, torch::Tensor> got;
  for (const auto& [name, tensor] : file.tensors()) got[name] = file.tensor(name);
  expect_same(got, expected);
  expect_same(read_model(golden("types.gguf")).tensors, expected);
}

TEST_F(Gguf, RoundsToBfloat16AsLibTorchDoes) {
  const GgufFile file(golden("types.gguf"));
  const auto expected = read_safetensors(golden("types.safetensors")).tensors;
  for (const auto type : {at::kBFloat16, at::kHalf, at::kDouble}) {
    std::map<std::string, torch::Tensor> got, converted;
    for (const auto& [name, tensor] : expected) {
      got[name] = file.tensor(name, type);
      converted[name] = tensor.to(type);
    }
    expect_same(got, converted);
  }
}

TEST_F(Gguf, DequantisesOnSeveralThreads) {
  constexpr std::uint64_t kBlocks = 100'001;  // 3.2 million elements: three threads' worth, and no even split
  GgufBytes content;
  content.tensor("w", {kBlocks * 32}, kQ80, 0);
  const auto codes = at::arange(static_cast<std::int64_t>(kBlocks * 32), at::kInt).mul_(7).to(at::kChar);
  const auto* bytes = static_cast<const char*>(codes.const_data_ptr());
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    content.data += little_endian(0x3800, 2) + std::string(bytes + block * 32, 32);  // a scale of 0.5
  }
  const GgufFile file = open(content.bytes());
  const auto expected = codes.to(at::kFloat) * 0.5;
  EXPECT_TRUE(at::equal(file.tensor("w"), expected));
  EXPECT_TRUE(at::equal(file.tensor("w", at::kBFloat16), expected.to(at::kBFloat16)));
}

TEST_F(Gguf, ReadsMetadataOfEveryType) {
  const GgufFile file(golden("types.gguf"));
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("a.uint8"), 200);
  EXPECT_EQ(file.integer("a.int8"), -100);
  EXPECT_EQ(file.integer("a.uint16"), 60000);
  EXPECT_EQ(file.integer("a.int16"), -30000);
  EXPECT_EQ(file.integer("a.uint32"), 4000000000);
  EXPECT_EQ(file.integer("a.int32"), -2000000000);
  EXPECT_EQ(file.integer("a.int64"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(std::get<std::uint64_t>(file.metadata().at("a.uint64")), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(file.number("a.float32"), static_cast<double>(1e-5F));
  EXPECT_EQ(file.number("a.float64"), 0.1);
  EXPECT_EQ(file.number("a.int8"), -100.0);
  EXPECT_EQ(file.flag("a.bool"), true);
  EXPECT_EQ(file.text("a.text"), "dry \u2603");
  EXPECT_EQ(*file.texts("an.array.of.texts"), (std::vector<std::string>{"a", "", "\u2603", "d"}));
  EXPECT_EQ(file.integers("an.array.of.integers"), (std::vector<std::int64_t>{1, -2, 3}));
  EXPECT_EQ(file.numbers("an.array.of.numbers"), (std::vector<double>{0.5, -1.5}));
  EXPECT_EQ(std::get<std::vector<bool>>(file.metadata().at("an.array.of.flags")), (std::vector<bool>{true, false}));

  EXPECT_EQ(file.integer("missing"), std::nullopt);
  EXPECT_EQ(file.texts("missing"), nullptr);
  EXPECT_NE(input_error([&] { file.integer("a.text"); }).find("'a.text'"), std::string::npos);
  EXPECT_NE(input_error([&] { file.integer("a.uint64"); }).find("63 bits"), std::string::npos);
  EXPECT_NE(input_error([&] { file.texts("an.array.of.numbers"); }).find("array of texts"), std::string::npos);
}

TEST_F(Gguf, DescribesWithNamesOfGgml) {
  const auto description = describe_model(golden("types.gguf"));
  EXPECT_EQ(description.format, "GGUF v3 Q6_K");
  EXPECT_EQ(description.tensors.size(), 12U);
  const auto& q4 = *std::ranges::find(description.tensors, std::string("Q4_1"), &TensorInfo::name);
  EXPECT_EQ(q4.dtype, "Q4_1");
  EXPECT_EQ(q4.shape, (std::vector<std::int64_t>{2, 3, 96}));
  EXPECT_EQ(q4.bytes, 360U);
  EXPECT_EQ(description.parameters, 5 * 576 + 3 * 768 + 3 * 15 + 7);
  EXPECT_EQ(description.metadata.at("an.array.of.texts"), "4 values: 'a', '', '\u2603', ...");
  EXPECT_EQ(description.metadata.at("a.float32"), "1e-05");
  EXPECT_EQ(description.metadata.at("an.array.of.flags"), "2 values: true, false");
  EXPECT_FALSE(read_model(golden("types.gguf")).metadata.contains("an.array.of.texts"));
}

TEST_F(Gguf, ViewsPlainTensorsWithoutTouchingTheFile) {
  GgufBytes content;
  content.tensor("w", {2}, kF32, 0);
  content.data = std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  torch::Tensor view, again;
  {
    const GgufFile file = open(content.bytes());
    view = file.tensor("w");
    again = file.tensor("w");
  }
  EXPECT_EQ(view.const_data_ptr(), again.const_data_ptr());
  EXPECT_TRUE(at::equal(view, at::arange(1, 3, at::kFloat)));
  view.mul_(2);
  EXPECT_TRUE(at::equal(GgufFile(folder / "a.gguf").tensor("w"), at::arange(1, 3, at::kFloat)));
}

TEST_F(Gguf, ReadsEdgesOfTheFormat) {
  EXPECT_TRUE(open(GgufBytes().bytes(2)).tensors().empty());
  EXPECT_EQ(describe_gguf(folder / "a.gguf").format, "GGUF v2 without tensors");
  GgufBytes content;
  content.tensor("scalar", {}, kF32, 0).tensor("empty", {0, 3}, kF32, 32);
  content.data.assign(32, '\0');
  const GgufFile file = open(content.bytes());
  EXPECT_EQ(file.tensor("scalar").dim(), 0);
  EXPECT_EQ(file.tensor("empty").sizes(), (std::vector<std::int64_t>{3, 0}));
  // Tightly packed: a view would be misaligned.
  GgufBytes packed;
  packed.pair("general.alignment", kUint32, little_endian(1, 4)).tensor("w", {1}, kF32, 1);
  packed.data = std::string(60, '\0');
  EXPECT_EQ(open(packed.bytes()).tensor("w").numel(), 1);
}

TEST_F(Gguf, RefusesWrongHeads) {
  expect_refusal("GGU", "its begin passes the end");
  input_error([] { parse_gguf_header(std::as_bytes(std::span("GGUT")), "a"); });
  expect_refusal("GGUF", "passes the end");
  expect_refusal(GgufBytes().bytes(1), "version 1, expected 2 or 3");
  expect_refusal(GgufBytes().bytes(4), "version 4");
  expect_refusal(GgufBytes().bytes(0x03000000), "big-endian");
  GgufBytes many;
  many.pair_count = std::uint64_t{1} << 62;
  expect_refusal(many.bytes(), "metadata entries");
  many.pair_count = 0;
  many.tensor_count = ~std::uint64_t{0};
  expect_refusal(many.bytes(), "18446744073709551615 tensors");
}

TEST_F(Gguf, RefusesWrongMetadata) {
  const std::string one = little_endian(1, 4);
  expect_refusal(GgufBytes().pair("k", kUint32, one).pair("k", kUint32, one).bytes(),
                 "metadata 'k' stands there twice");
  expect_refusal(GgufBytes().pair("k", 13, one).bytes(), "unknown type 13");
  expect_refusal(GgufBytes().pair("k", kBool, "\2").bytes(), "truth value of 2");
  expect_refusal(GgufBytes().pair("k", kString, little_endian(~std::uint64_t{0}, 8)).bytes(),
                 "metadata 'k' has a text");
  const auto array = [](std::uint32_t type, std::uint64_t count) {
    return little_endian(type, 4) + little_endian(count, 8);
  };
  for (const std::uint32_t type : {kUint32, kBool, kString}) {
    const std::string huge = GgufBytes().pair("k", kArray, array(type, std::uint64_t{1} << 61)).bytes();
    expect_refusal(huge, "metadata 'k' claims 2305843009213693952 values");
  }
  constexpr std::uint64_t kMany = (1 << 24) + 1;  // a byte each in the file, but eight or more in memory
  expect_refusal(GgufBytes().pair("k", kArray, array(kBool, kMany) + std::string(kMany, '\0')).bytes(),
                 "more than 16777216 array values");
  expect_refusal(GgufBytes().pair("k", kArray, array(kArray, 1) + array(kBool, 0)).bytes(), "array of arrays");
  expect_refusal(GgufBytes().pair("k", kArray, array(99, 0)).bytes(), "unknown type 99");
  for (const std::uint64_t alignment : {0, 3}) {
    expect_refusal(GgufBytes().pair("general.alignment", kUint32, little_endian(alignment, 4)).bytes(), "power of two");
  }
  expect_refusal(GgufBytes().pair("general.alignment", kString, GgufBytes::text("32")).bytes(), "power of two");
}

TEST_F(Gguf, RefusesWrongTensors) {
  const auto with_data = [](GgufBytes content) {
    content.data.assign(64, '\0');
    return content.bytes();
  };
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 40;
  expect_refusal(with_data(GgufBytes().tensor("w", {1, 1, 1, 1, 1}, kF32, 0)), "tensor 'w' has 5 dimensions");
  expect_refusal(with_data(GgufBytes().tensor("w", {kHuge, kHuge}, kF32, 0)), "impossible shape");
  expect_refusal(with_data(GgufBytes().tensor("w", {0, kHuge, kHuge}, kF32, 0)), "impossible shape");
  expect_refusal(with_data(GgufBytes().tensor("w", {std::uint64_t{1} << 62}, kF32, 0)), "impossible shape");
  expect_refusal(with_data(GgufBytes().tensor("w", {~std::uint64_t{0}}, kF32, 0)), "63 bits");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, 4, 0)), "unknown type 4");
  expect_refusal(with_data(GgufBytes().tensor("w", {33}, kQ40, 0)), "multiple of 32");
  expect_refusal(with_data(GgufBytes().tensor("w", {}, kQ40, 0)), "multiple of 32");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, kF32, 8)), "no multiple of 32");
  expect_refusal(with_data(GgufBytes().tensor("w", {17}, kF32, 0)), "data area of 64");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, kF32, 96)), "data area of 64");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, kF32, ~std::uint64_t{31})), "data area of 64");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, kF32, 0).tensor("w", {1}, kF32, 32)), "'w' stands there twice");
  expect_refusal(with_data(GgufBytes().tensor("v", {16}, kF32, 0).tensor("w", {1}, kF32, 32)),
                 "tensor 'w' overlaps tensor 'v'");
  expect_refusal(with_data(GgufBytes().tensor("w", {1}, kF32, 0)).substr(0, 50), "'w' passes the end");
}

TEST_F(Gguf, NamesTensorsItCannotGive) {
  GgufBytes content;
  content.tensor("w", {256}, kQ2K, 0);
  content.data.assign(84, '\0');
  const GgufFile file = open(content.bytes());
  EXPECT_EQ(describe_gguf(folder / "a.gguf").tensors.at(0).dtype, "Q2_K");
  EXPECT_NE(input_error([&] { file.tensor("w"); }).find("'w' is Q2_K"), std::string::npos);
  EXPECT_NE(input_error([&] { file.tensor("v"); }).find("no tensor 'v'"), std::string::npos);
}

// Headers in memory of exactly their size, so that AddressSanitizer sees the first byte too many.
TEST_F(Gguf, SurvivesTruncationAtEveryByte) {
  const std::string bytes = read_bytes(golden("types.gguf"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const bool whole = succeeds_or_refuses([&] { parse_gguf_header(std::as_bytes(std::span(part)), "a"); });
    EXPECT_FALSE(whole && bytes.size() - size > 32) << size;  // the padding after the last tensor may be missing
  }
}

TEST_F(Gguf, SurvivesDamage) {
  const std::string bytes = read_bytes(golden("types.gguf"));
  const std::string header = bytes.substr(0, 1536);
  int read = 0;
  for (const std::string& damaged : damaged_copies(header, 3000)) {
    const std::string file = damaged + bytes.substr(header.size());
    if (!succeeds_or_refuses([&] { parse_gguf_header(std::as_bytes(std::span(file)), "a"); })) continue;
    if (++read > 100) continue;  // writing files takes long
    const auto path = write_bytes(folder / ("a" + std::to_string(read)), file);
    succeeds_or_refuses([&] { describe_model(path); });
    succeeds_or_refuses([&] { read_gguf(path); });
  }
  EXPECT_GT(read, 100);   // damage in names, values and padding cannot be seen
  EXPECT_LT(read, 2900);  // that in counts and offsets must be
}

}  // namespace
}  // namespace drystill::io
