#include "language/datasets/text_files.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "io/mapped_file.h"

namespace drystill::language {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargest = std::uintmax_t{1} << 30;

std::vector<fs::path> files_below(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file(error)) files.push_back(entry->path());
  }
  if (error) throw InputError(path.string() + ": " + error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::vector<std::string> read_text_files(const std::vector<std::string>& paths) {
  std::vector<std::string> texts;
  std::uintmax_t total = 0;
  for (const std::string& path : paths) {
    for (const fs::path& file : files_below(path)) {
      const io::MappedFile mapped(file);
      total += mapped.bytes().size();
      if (total > kLargest) throw InputError(file.string() + ": more than 1 GiB of text in all; give fewer files");
      texts.emplace_back(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
    }
  }
  return texts;
}

}  // namespace drystill::language
