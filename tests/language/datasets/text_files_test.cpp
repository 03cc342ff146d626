#include "language/datasets/text_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language {
namespace {

TEST(TextFiles, ReadFilesAndFoldersInTheOrderOfTheirNames) {
  const drystill::testing::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "texts/b");
  std::ofstream(folder / "texts/c.txt") << "third";
  std::ofstream(folder / "texts/b/x.txt") << "second";
  std::ofstream(folder / "texts/a.txt") << "first";
  std::ofstream(folder / "alone.txt") << "alone";
  EXPECT_EQ(read_text_files({(folder / "alone.txt").string(), (folder / "texts").string()}),
            (std::vector<std::string>{"alone", "first", "second", "third"}));
}

TEST(TextFiles, NameAFileThatIsMissing) {
  try {
    read_text_files({"/nowhere/texts.txt"});
    FAIL() << "it is there";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/texts.txt"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace drystill::language
