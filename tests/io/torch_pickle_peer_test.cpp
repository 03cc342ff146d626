// Python must read what we write. Built only where DRYSTILL_PEER_PYTHON names an interpreter that has torch.
#include <cstdlib>

#include "io/safetensors.h"
#include "io/torch_pickle.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

TEST(TorchPicklePeer, PythonReadsOurFilesWithWeightsOnly) {
  const char* python = std::getenv("DRYSTILL_PEER_PYTHON");
  ASSERT_NE(python, nullptr);
  const testing::TemporaryFolder folder;
  for (const char* name : {"network.safetensors", "views.safetensors", "every_dtype.safetensors"}) {
    const TensorFile file = read_safetensors(golden(name));
    write_torch(folder / "flat.pth", file);
    write_torch(folder / "wrapped.pth", file, {.wrap = true});
    const std::string command = std::string("'") + python + "' '" + DRYSTILL_SOURCE_DIR +
                                "/tests/io/load_in_python.py' '" + (folder / "flat.pth").string() + "' '" +
                                (folder / "wrapped.pth").string() + "' '" + golden(name).string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
}

}  // namespace
}  // namespace drystill::io
