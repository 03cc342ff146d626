#include "io/safetensors.h"

#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

std::string file_of(const std::string& header, const std::string& data = "") {
  return little_endian(header.size(), 8) + header + data;
}

TEST(Safetensors, WritesTheBytesOfTheReferenceWriter) {
  const TemporaryFolder folder;
  for (const char* name :
       {"every_dtype.safetensors", "no_tensors.safetensors", "network.safetensors", "views.safetensors"}) {
    const TensorFile file = read_safetensors(golden(name));
    write_safetensors(folder / name, file.tensors, file.metadata);
    EXPECT_EQ(read_bytes(folder / name), read_bytes(golden(name))) << name;
  }
}

TEST(Safetensors, ReadsValues) {
  const TensorFile file = read_safetensors(golden("network.safetensors"));
  EXPECT_EQ(file.tensors.size(), 8U);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  // tools/make_golden_io.py: tensor i of the state dict counts up from i by 0.25.
  const auto expected = 6 + 0.25 * at::arange(24, at::kFloat).reshape({3, 8});
  EXPECT_TRUE(at::equal(file.tensors.at("fc.weight"), expected));
  EXPECT_EQ(file.tensors.at("bn.num_batches_tracked").item<std::int64_t>(), 7);
}

TEST(Safetensors, AddsTheFormatThatPythonLoadersAskFor) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{"w", at::ones({2})}}, {{"epoch", "3"}});
  const auto metadata = read_safetensors(folder / "a.safetensors").metadata;
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"epoch", "3"}, {"format", "pt"}}));
}

TEST(Safetensors, WritesStridedTensorsPacked) {
  const TemporaryFolder folder;
  const auto base = at::arange(12, at::kFloat).reshape({3, 4});
  write_safetensors(folder / "a.safetensors", {{"t", base.t()}, {"s", base.slice(0, 1).slice(1, 0, 4, 2)}});
  const auto tensors = read_safetensors(folder / "a.safetensors").tensors;
  EXPECT_TRUE(at::equal(tensors.at("t"), base.t()));
  EXPECT_TRUE(at::equal(tensors.at("s"), base.slice(0, 1).slice(1, 0, 4, 2)));
}

TEST(Safetensors, DescribesWithoutReadingData) {
  const auto description = describe_safetensors(golden("every_dtype.safetensors"));
  ASSERT_EQ(description.tensors.size(), 22U);
  EXPECT_EQ(description.file_bytes, read_bytes(golden("every_dtype.safetensors")).size());
  for (const auto& tensor : description.tensors) {
    if (tensor.name != "an.empty") continue;
    EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{0, 3}));
    EXPECT_EQ(tensor.bytes, 0U);
    EXPECT_EQ(tensor.dtype, "F32");
  }
}

TEST(Safetensors, DescribesTypesThatLibTorchCannotHold) {
  const TemporaryFolder folder;
  const auto path =
      write_bytes(folder / "a", file_of(R"({"w":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", "ab"));
  EXPECT_EQ(describe_safetensors(path).tensors.at(0).bytes, 2U);
  EXPECT_NE(input_error([&] { read_safetensors(path); }).find("'w' is F4"), std::string::npos);
}

TEST(Safetensors, ReadsBooleansAsZeroAndOne) {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "a", file_of(R"({"w":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})",
                                                      std::string("\0\x02\xff", 3)));
  EXPECT_EQ(read_safetensors(path).tensors.at("w").sum().item<std::int64_t>(), 2);
}

TEST(Safetensors, RefusesToWriteWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  input_error([&] { write_safetensors(path, {{"c", at::zeros({1}, at::kComplexDouble)}}); });
  input_error([&] { write_safetensors(path, {{"__metadata__", at::zeros({1})}}); });
  input_error([&] { write_safetensors(path, {{"\xff", at::zeros({1})}}); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

struct HostileHeader {
  const char* what;
  const char* header;
  std::size_t data_bytes;
  const char* message;
};

class HostileSafetensors : public ::testing::TestWithParam<HostileHeader> {};

TEST_P(HostileSafetensors, IsRefused) {
  const TemporaryFolder folder;
  const auto path =
      write_bytes(folder / "a.safetensors", file_of(GetParam().header, std::string(GetParam().data_bytes, 'x')));
  const std::string message = input_error([&] { read_safetensors(path); });
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  input_error([&] { describe_safetensors(path); });
}

INSTANTIATE_TEST_SUITE_P(
    Headers, HostileSafetensors,
    ::testing::Values(
        HostileHeader{"NotJson", "{x", 0, "not JSON"}, HostileHeader{"NoObject", "[]", 0, "begin with"},
        HostileHeader{"InvalidUtf8", "{\"\xff\":1}", 0, "not JSON"},
        HostileHeader{"Overlap",
                      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                      6, "'b' overlaps"},
        HostileHeader{"Hole",
                      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                      R"("b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
                      6, "'b' follows a hole"},
        HostileHeader{"HoleAtTheEnd", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3, "fill 2 of 3"},
        HostileHeader{"HoleAtTheStart", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3, "hole"},
        HostileHeader{"PastTheEnd", R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 3, "area of 3"},
        HostileHeader{"Backwards", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[3,2]}})", 3, "bytes 3 to 2"},
        HostileHeader{"WrongSize", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "needs 8 bytes"},
        HostileHeader{"ShapeOverflow", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                      0, "impossible"},
        HostileHeader{"ShapeTimesWidthOverflow",
                      R"({"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0, "impossible"},
        HostileHeader{"EmptyButOverflowing",
                      R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                      "impossible"},
        HostileHeader{"SizePast63Bits", R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,0]}})",
                      0, "no valid shape"},
        HostileHeader{"OffsetPast64Bits", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]}})",
                      1, "data_offsets"},
        HostileHeader{"NegativeSize", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", 0, "no valid shape"},
        HostileHeader{"FractionalSize", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1,
                      "no valid shape"},
        HostileHeader{"NegativeOffset", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[-1,-1]}})", 0,
                      "data_offsets"},
        HostileHeader{"ThreeOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})", 1, "data_offsets"},
        HostileHeader{"DuplicateTensor",
                      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                      1, "'a' twice"},
        HostileHeader{"DuplicateField", R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1,
                      "'dtype' twice"},
        HostileHeader{"DuplicateMetadata", R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' twice"},
        HostileHeader{"MetadataNumber", R"({"__metadata__":{"k":1}})", 0, "not a text"},
        HostileHeader{"MetadataList", R"({"__metadata__":[]})", 0, "not a JSON object"},
        HostileHeader{"UnknownDtype", R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,1]}})", 1, "F99"},
        HostileHeader{"NumberDtype", R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1, "unknown dtype"},
        HostileHeader{"MissingField", R"({"a":{"dtype":"U8","shape":[1]}})", 1, "exactly"},
        HostileHeader{"ExtraField", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0}})", 1, "exactly"},
        HostileHeader{"TensorIsNumber", R"({"a":1})", 0, "exactly"},
        HostileHeader{"DeepNesting", R"({"a":{"shape":[[[[[[[[[[]]]]]]]]]]}})", 0, "nests too deeply"},
        HostileHeader{"HalfAByte", R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,0]}})", 0, "impossible"},
        HostileHeader{"ControlCharactersInName", R"({"a\u000ab":1})", 0, "'a\\x0ab'"}),
    [](const auto& instance) { return std::string(instance.param.what); });

TEST(Safetensors, RefusesWrongHeaderLengths) {
  const TemporaryFolder folder;
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{100'000'001}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    input_error([&] { read_safetensors(write_bytes(folder / "a", little_endian(length, 8) + "{}")); });
  }
}

TEST(Safetensors, RefusesAMillionOpenBrackets) {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "a", file_of("{\"a\":" + std::string(1'000'000, '[')));
  input_error([&] { read_safetensors(path); });
}

TEST(Safetensors, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  for (const char* name : {"every_dtype.safetensors", "network.safetensors"}) {
    const std::string bytes = read_bytes(golden(name));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      input_error([&] { read_safetensors(write_bytes(folder / "a", bytes.substr(0, length))); });
    }
  }
}

TEST(Safetensors, SurvivesRandomDamage) {
  const TemporaryFolder folder;
  int refused = 0;
  for (const std::string& bytes : damaged_copies(read_bytes(golden("every_dtype.safetensors")), 400)) {
    const auto path = write_bytes(folder / "a", bytes);
    refused += !succeeds_or_refuses([&] { read_safetensors(path); });
  }
  EXPECT_GT(refused, 200);  // damage to names and data cannot be seen: the format has no checksum
}

}  // namespace
}  // namespace drystill::io
