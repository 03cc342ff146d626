#include "io/huggingface_folder.h"

#include <ATen/ops/arange.h>

#include "io/mapped_safetensors.h"
#include "io/model_file.h"
#include "io/safetensors.h"
#include "io/torch_pickle.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

torch::Tensor ramp(std::int64_t first) {
  return at::arange(first, first + 6, at::kFloat).reshape({2, 3});
}

// Two shards, "a" in the first, "b" and "c" in the second, and an index.
class HuggingFaceFolder : public ::testing::Test {
 protected:
  HuggingFaceFolder() {
    write_safetensors(folder / kFirst, {{"a", ramp(0)}});
    write_safetensors(folder / kSecond, {{"b", ramp(1)}, {"c", ramp(2).to(at::kBFloat16)}});
    index(R"({"metadata": {"total_size": 60}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors",
              "c": "2.safetensors"}})");
  }
  void index(const std::string& json) { write_bytes(folder / "model.safetensors.index.json", json); }
  void expect_refusal(const std::string& reason) {
    for (const auto& message : {input_error([&] { read_huggingface_folder(folder.path()); }),
                                input_error([&] { describe_huggingface_folder(folder.path()); })}) {
      EXPECT_NE(message.find(reason), std::string::npos) << message;
    }
  }

  static constexpr char kFirst[] = "1.safetensors", kSecond[] = "2.safetensors";
  TemporaryFolder folder;
  std::map<std::string, torch::Tensor> expected = {{"a", ramp(0)}, {"b", ramp(1)}, {"c", ramp(2).to(at::kBFloat16)}};
};

TEST_F(HuggingFaceFolder, ReadsShards) {
  expect_same(read_model(folder.path()).tensors, expected);
  EXPECT_EQ(read_model(folder.path()).metadata.at("format"), "pt");
  write_bytes(folder / "config.json",
              R"({"model_type": "llama", "hidden_size": 3, "tie": true, "eos": [1], "x": null})");
  const auto description = describe_model(folder.path());
  EXPECT_EQ(description.format, "Hugging Face folder, safetensors, files: 2");
  ASSERT_EQ(description.tensors.size(), 3U);
  EXPECT_EQ(description.tensors[2].dtype, "BF16");
  EXPECT_EQ(description.parameters, 18);
  EXPECT_EQ(description.file_bytes, read_bytes(folder / kFirst).size() + read_bytes(folder / kSecond).size());
  EXPECT_EQ(
      description.metadata,
      (std::map<std::string, std::string>{
          {"config.hidden_size", "3"}, {"config.model_type", "llama"}, {"config.tie", "true"}, {"format", "pt"}}));
}

TEST_F(HuggingFaceFolder, PrefersOneFile) {
  write_safetensors(folder / "model.safetensors", {{"w", ramp(5)}});
  expect_same(read_model(folder.path()).tensors, {{"w", ramp(5)}});
  EXPECT_EQ(describe_model(folder.path()).format, "Hugging Face folder, safetensors");
}

TEST_F(HuggingFaceFolder, ReadsTorchFiles) {
  std::filesystem::remove(folder / "model.safetensors.index.json");
  expect_refusal("holds no weights");
  write_torch(folder / "1.bin", {{{"a", ramp(0)}}, {}});
  write_torch(folder / "2.bin", {{{"b", ramp(1)}, {"c", ramp(2).to(at::kBFloat16)}}, {}});
  write_bytes(folder / "pytorch_model.bin.index.json", R"({"weight_map": {"a": "1.bin", "b": "2.bin", "c": "2.bin"}})");
  expect_same(read_model(folder.path()).tensors, expected);
  write_torch(folder / "pytorch_model.bin", {{{"w", ramp(5)}}, {}});
  expect_same(read_model(folder.path()).tensors, {{"w", ramp(5)}});
  EXPECT_EQ(describe_model(folder.path()).format, "Hugging Face folder, PyTorch zip");
}

TEST_F(HuggingFaceFolder, FollowsTheLinksOfTheHubCache) {
  std::filesystem::create_directory(folder / "blobs");
  std::filesystem::rename(folder / kFirst, folder / "blobs" / "0123");
  std::filesystem::create_symlink("blobs/0123", folder / kFirst);
  expect_same(read_model(folder.path()).tensors, expected);
}

TEST_F(HuggingFaceFolder, LeavesOutWhatTheIndexDoesNotName) {
  index(R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  expected.erase("c");
  expect_same(read_model(folder.path()).tensors, expected);
  EXPECT_EQ(describe_model(folder.path()).tensors.size(), 2U);
}

TEST_F(HuggingFaceFolder, RefusesShardsThatDoNotFitTheIndex) {
  index(R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}})");
  expect_refusal("tensor 'b' stands in '2.safetensors', the index places it in '1.safetensors'");
  index(R"({"weight_map": {"a": "1.safetensors", "d": "2.safetensors"}})");
  expect_refusal("tensor 'd' is not in '2.safetensors'");
  index(R"({"weight_map": {"a": "3.safetensors"}})");
  expect_refusal("3.safetensors' is missing");
  index(R"({"weight_map": {"a": ")" + std::string(5000, 'x') + R"("}})");
  expect_refusal("is missing");
  index(R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  write_safetensors(folder / kFirst, {{"a", ramp(0)}, {"b", ramp(1)}});  // twice
  expect_refusal("tensor 'b' stands in '1.safetensors'");
}

TEST_F(HuggingFaceFolder, RefusesNamesThatLeaveTheFolder) {
  for (const std::string name :
       {R"("../1.safetensors")", R"("/etc/passwd")", R"("sub/1.safetensors")", R"("..")", R"(".")", R"("")",
        R"("a\\b")", R"("1.safetensors\u0000x")", "7", "null", R"({"a": "1.safetensors"})"}) {
    index(R"({"weight_map": {"a": )" + name + "}}");
    expect_refusal("expected the name of a file beside the index");
  }
}

TEST_F(HuggingFaceFolder, RefusesIndexesThatAreNone) {
  for (const auto& [json, reason] : std::map<std::string, std::string>{
           {"", "not JSON"},
           {"{", "not JSON"},
           {"[]", "not a JSON object"},
           {"{}", "no 'weight_map'"},
           {R"({"weight_map": {}})", "no 'weight_map'"},
           {R"({"weight_map": []})", "no 'weight_map'"},
           {R"({"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}})", "names 'a' twice"},
           {R"({"weight_map": {"a": "1.safetensors"}, "weight_map": {"b": "2.safetensors"}})", "'weight_map' twice"},
           {R"({"x": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}", "nests too deeply"},
           {"{\"weight_map\": {\"\xff\": \"1.safetensors\"}}", "not JSON"}}) {
    index(json);
    expect_refusal(reason);
  }
}

TEST_F(HuggingFaceFolder, SurvivesDamage) {
  const std::string json = read_bytes(folder / "model.safetensors.index.json");
  for (std::size_t size = 0; size < json.size(); ++size) {
    index(json.substr(0, size));
    EXPECT_FALSE(succeeds_or_refuses([&] { describe_huggingface_folder(folder.path()); })) << size;
  }
  for (const std::string& damaged : damaged_copies(json, 100)) {
    index(damaged);
    succeeds_or_refuses([&] { describe_huggingface_folder(folder.path()); });
  }
  index(json);
  const std::string shard = read_bytes(folder / kFirst);
  for (const std::string& damaged : damaged_copies(shard, 100)) {
    write_bytes(folder / kFirst, damaged);
    succeeds_or_refuses([&] { read_huggingface_folder(folder.path()); });
  }
}

TEST(MappedSafetensors, GivesWhatReadingGives) {
  for (const char* name : {"every_dtype.safetensors", "network.safetensors", "no_tensors.safetensors"}) {
    const TensorFile file = read_safetensors(golden(name));
    const MappedSafetensors mapped(golden(name));
    expect_same(mapped.tensors(), file.tensors);
    EXPECT_EQ(mapped.metadata(), file.metadata);
  }
}

TEST(MappedSafetensors, ViewsWithoutTouchingTheFile) {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  write_safetensors(path, {{"w", ramp(0)}});
  torch::Tensor view;
  {
    const MappedSafetensors file(path);
    view = file.tensor("w");
    EXPECT_EQ(view.const_data_ptr(), file.tensor("w").const_data_ptr());
    EXPECT_TRUE(file.contains("w"));
    EXPECT_FALSE(file.contains("v"));
    EXPECT_NE(input_error([&] { file.tensor("v"); }).find("no tensor 'v'"), std::string::npos);
  }
  view.add_(1);
  EXPECT_TRUE(at::equal(view, ramp(1)));
  EXPECT_TRUE(at::equal(MappedSafetensors(path).tensor("w"), ramp(0)));
}

TEST(MappedSafetensors, CopiesWhatCannotBeViewed) {
  const TemporaryFolder folder;
  // The header's length is no multiple of 4, so a float stands at an odd address; a boolean of 2 means true.
  const std::string header =
      R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const auto path =
      write_bytes(folder / "a", little_endian(header.size(), 8) + header + std::string("\2\0\0\x80\x3f", 5));
  const auto tensors = MappedSafetensors(path).tensors();
  EXPECT_EQ(tensors.at("w").item<float>(), 1.0F);
  EXPECT_EQ(tensors.at("b").sum().item<std::int64_t>(), 1);
  const std::string nibbles = R"({"w":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})";
  const MappedSafetensors file(write_bytes(folder / "b", little_endian(nibbles.size(), 8) + nibbles + "x"));
  EXPECT_NE(input_error([&] { file.tensors(); }).find("'w' is F4"), std::string::npos);
}

}  // namespace
}  // namespace drystill::io
