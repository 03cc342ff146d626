#include "io/torch_pickle.h"

#include "io/safetensors.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

TEST(TorchPickle, ReadsAStateDictInEveryLayout) {
  const auto expected = read_safetensors(golden("network.safetensors")).tensors;
  for (const char* name : {"network_zip.pth", "network_legacy.pth", "network_plain_dict.pth", "network_model_key.pth",
                           "training_zip.pth", "training_legacy.pth", "zip64.pth"}) {
    SCOPED_TRACE(name);
    expect_same(read_torch(golden(name)).tensors, expected);
  }
}

TEST(TorchPickle, ReadsViewsAndEveryDtype) {
  auto expected = read_safetensors(golden("views.safetensors")).tensors;
  expect_same(read_torch(golden("views_zip.pth")).tensors, expected);
  expected.erase("newer");
  expected.erase("float8");
  expect_same(read_torch(golden("views_legacy.pth")).tensors, expected);
}

TEST(TorchPickle, KeepsStorageSharedAndStrides) {
  for (const char* name : {"views_zip.pth", "views_legacy.pth"}) {
    const auto tensors = read_torch(golden(name)).tensors;
    EXPECT_TRUE(tensors.at("base").is_alias_of(tensors.at("transposed"))) << name;
    EXPECT_TRUE(tensors.at("base").is_alias_of(tensors.at("row"))) << name;
    EXPECT_EQ(tensors.at("transposed").strides(), (std::vector<std::int64_t>{1, 4})) << name;
    EXPECT_EQ(tensors.at("expanded").strides(), (std::vector<std::int64_t>{0})) << name;
    EXPECT_FALSE(tensors.at("base").is_alias_of(tensors.at("half"))) << name;
  }
}

TEST(TorchPickle, TurnsScalarsBesideTheStateDictIntoMetadata) {
  const std::map<std::string, std::string> expected = {{"arch", "tiny"},          {"best_acc1", "93.25"},
                                                       {"done", "true"},          {"epoch", "12"},
                                                       {"long", "1099511627776"}, {"minus", "-70000"}};
  EXPECT_EQ(read_torch(golden("training_zip.pth")).metadata, expected);
  EXPECT_EQ(read_torch(golden("training_legacy.pth")).metadata, expected);
  EXPECT_EQ(read_torch(golden("network_model_key.pth")).metadata.at("epoch"), "3");
}

TEST(TorchPickle, DescribesWhatItWouldRead) {
  for (const char* name : {"views_zip.pth", "views_legacy.pth"}) {
    const auto description = describe_torch(golden(name));
    const auto tensors = read_torch(golden(name)).tensors;
    ASSERT_EQ(description.tensors.size(), tensors.size());
    for (const auto& info : description.tensors) {
      EXPECT_EQ(at::IntArrayRef(info.shape), tensors.at(info.name).sizes()) << info.name;
      EXPECT_EQ(info.bytes, static_cast<std::uint64_t>(tensors.at(info.name).nbytes())) << info.name;
    }
  }
  EXPECT_EQ(describe_torch(golden("views_legacy.pth")).format, "PyTorch legacy pickle");
  EXPECT_EQ(describe_torch(golden("views_zip.pth")).format, "PyTorch zip");
}

TEST(TorchPickle, ReadsBackWhatItWrites) {
  const TemporaryFolder folder;
  for (const char* name : {"network.safetensors", "views.safetensors", "every_dtype.safetensors"}) {
    const TensorFile file = read_safetensors(golden(name));
    write_torch(folder / "a.pth", file);
    expect_same(read_torch(folder / "a.pth").tensors, file.tensors);
    EXPECT_TRUE(read_torch(folder / "a.pth").metadata.empty());
    write_torch(folder / "b.pth", file, {.wrap = true});
    expect_same(read_torch(folder / "b.pth").tensors, file.tensors);
    EXPECT_EQ(read_torch(folder / "b.pth").metadata, file.metadata);
  }
}

TEST(TorchPickle, WritesTheSameBytesTwiceAndAlignsData) {
  const TemporaryFolder folder;
  const TensorFile file{{{"w", at::full({3}, 2.5)}}, {}};
  write_torch(folder / "a.pth", file);
  write_torch(folder / "b.pth", file);
  const std::string bytes = read_bytes(folder / "a.pth");
  EXPECT_EQ(bytes, read_bytes(folder / "b.pth"));
  const std::string value("\x00\x00\x20\x40", 4);  // 2.5f
  EXPECT_EQ(bytes.find(value + value + value) % 64, 0U);
}

TEST(TorchPickle, RefusesPythonObjectsByName) {
  EXPECT_NE(input_error([] { read_torch(golden("hostile_system.pth")); }).find("system'"), std::string::npos);
  const auto module = input_error([] { read_torch(golden("whole_module.pth")); });
  EXPECT_NE(module.find("torch.nn.modules.container.Sequential"), std::string::npos) << module;
  EXPECT_NE(module.find("state_dict()"), std::string::npos) << module;
}

TEST(TorchPickle, RefusesAStorageOfTwoSizes) {
  const auto path = golden("two_sizes.pth");
  EXPECT_NE(input_error([&] { read_torch(path); }).find("two sizes"), std::string::npos);
  EXPECT_NE(input_error([&] { describe_torch(path); }).find("two sizes"), std::string::npos);
}

TEST(TorchPickle, RefusesWhatIsNoStateDict) {
  const auto message = input_error([] { read_torch(golden("no_state_dict.pth")); });
  EXPECT_NE(message.find("got 'epoch', 'weights'"), std::string::npos) << message;
}

TEST(TorchPickle, RefusesCompressedAndBigEndianFiles) {
  EXPECT_NE(input_error([] { read_torch(golden("compressed.pth")); }).find("compressed"), std::string::npos);
  EXPECT_NE(input_error([] { read_torch(golden("big_endian.pth")); }).find("big-endian"), std::string::npos);
}

TEST(TorchPickle, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  for (const char* name : {"network_zip.pth", "network_legacy.pth"}) {
    const std::string bytes = read_bytes(golden(name));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      input_error([&] { read_torch(write_bytes(folder / "a", bytes.substr(0, length))); });
    }
  }
}

TEST(TorchPickle, SurvivesRandomDamage) {
  const TemporaryFolder folder;
  for (const char* name :
       {"network_zip.pth", "views_zip.pth", "training_zip.pth", "views_legacy.pth", "training_legacy.pth"}) {
    int refused = 0;
    for (const std::string& bytes : damaged_copies(read_bytes(golden(name)), 200)) {
      const auto path = write_bytes(folder / "a", bytes);
      refused += !succeeds_or_refuses([&] {
        for (const auto& [key, tensor] : read_torch(path).tensors) tensor.contiguous();
      });
      succeeds_or_refuses([&] { describe_torch(path); });
    }
    EXPECT_GT(refused, 60) << name;  // most of a small zip file is padding
  }
}

TEST(TorchPickle, SeesEveryDamageToTheDataOfAZipFile) {
  const TemporaryFolder folder;
  write_torch(folder / "a.pth", {{{"w", at::full({3}, 2.5)}}, {}});
  const std::string bytes = read_bytes(folder / "a.pth");
  const std::size_t begin = bytes.find(std::string("\x00\x00\x20\x40", 4));
  for (std::size_t i = 0; i < 12; ++i) {
    std::string damaged = bytes;
    damaged[begin + i] ^= 1;
    const auto message = input_error([&] { read_torch(write_bytes(folder / "b", damaged)); });
    EXPECT_NE(message.find("checksum"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace drystill::io
