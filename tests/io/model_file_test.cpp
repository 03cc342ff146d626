#include "io/model_file.h"

#include <sys/stat.h>

#include "io/safetensors.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

TEST(ModelFile, GoesByContentNotByName) {
  const TemporaryFolder folder;
  const auto expected = read_safetensors(golden("network.safetensors")).tensors;
  for (const char* name : {"network.safetensors", "network_zip.pth", "network_legacy.pth"}) {
    std::filesystem::copy_file(golden(name), folder / "model.bin", std::filesystem::copy_options::overwrite_existing);
    expect_same(read_model(folder / "model.bin").tensors, expected);
  }
}

TEST(ModelFile, WritesByExtension) {
  const TemporaryFolder folder;
  const TensorFile file = read_safetensors(golden("network.safetensors"));
  write_model(folder / "a.safetensors", file);
  write_model(folder / "a.pth", file);
  write_model(folder / "a.pt", file, {.wrap = true});
  for (const char* name : {"a.safetensors", "a.pth", "a.pt"}) {
    expect_same(read_model(folder / name).tensors, file.tensors);
  }
  EXPECT_EQ(describe_model(folder / "a.safetensors").format, "safetensors");
  EXPECT_EQ(describe_model(folder / "a.pt").format, "PyTorch zip");
  EXPECT_THROW(write_model(folder / "a.onnx", file), ConfigError);
}

TEST(ModelFile, CountsParametersWithoutBatchNormStatistics) {
  // conv 2*1*3*3, batch norm 2 + 2, linear 3*8 + 3
  EXPECT_EQ(describe_model(golden("network.safetensors")).parameters, 18 + 4 + 27);
  EXPECT_EQ(describe_model(golden("network_zip.pth")).parameters, 18 + 4 + 27);
}

TEST(ModelFile, SaysWhatAFileIsThatItCannotRead) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& bytes) {
    return input_error([&] { read_model(write_bytes(folder / "a.pth", bytes)); });
  };
  EXPECT_NE(message("").find("is empty"), std::string::npos);
  EXPECT_NE(message("GGUF\3").find("not a valid GGUF"), std::string::npos);
  EXPECT_NE(message("\x80\x04K\1.").find("torch.save did not write"), std::string::npos);
  EXPECT_NE(message("version https://git-lfs.github.com/spec/v1\n").find("git lfs pull"), std::string::npos);
  EXPECT_NE(message("hello, this is a text").find("unknown format"), std::string::npos);
  EXPECT_NE(message("PK\3\4").find("shorter"), std::string::npos);
  EXPECT_NE(input_error([&] { read_model(folder.path()); }).find("folder"), std::string::npos);
  EXPECT_NE(input_error([&] { read_model(folder / "missing.pth"); }).find("No such file"), std::string::npos);
  input_error([&] { read_model("/dev/zero"); });
}

// A safetensors file begins with the length of its header: one of 0x..80 bytes looks like a pickle, others like text.
TEST(ModelFile, KnowsSafetensorsByMoreThanTheirFirstByte) {
  const TemporaryFolder folder;
  for (std::size_t length = 0; length < 256; length += 8) {
    write_safetensors(folder / "a.safetensors", {{"x", torch::ones({1})}}, {{"note", std::string(length, 'n')}});
    EXPECT_EQ(describe_model(folder / "a.safetensors").format, "safetensors") << length;
  }
}

TEST(ModelFile, DoesNotWaitForANamedPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_NE(input_error([&] { read_model(folder / "pipe"); }).find("regular"), std::string::npos);
}

TEST(ModelFile, KeepsMessagesToOneLineWhateverTheName) {
  const TemporaryFolder folder;
  input_error([&] { read_model(folder / "a\nb"); });
}

}  // namespace
}  // namespace drystill::io
