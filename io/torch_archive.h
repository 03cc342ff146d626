#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "io/mapped_file.h"
#include "io/unpickler.h"
#include "io/zip_reader.h"

namespace drystill::io {

// A file of torch.save, taken apart: the pickle, and the bytes of each storage it refers to. Both layouts: the zip
// archive (since PyTorch 1.6), and before that one stream of pickles followed by raw storages.
class TorchArchive {
 public:
  // `file` must outlive the archive. Throws InputError where anything is damaged, big-endian or refused.
  explicit TorchArchive(const MappedFile& file);

  const char* format() const { return zip_ ? "PyTorch zip" : "PyTorch legacy pickle"; }
  const PickleGraph& graph() const { return graph_; }

  // The bytes of a storage, of exactly its size, with a correct checksum where the layout has one.
  std::span<const std::byte> bytes(const PickleStorage& storage) const;

  static bool is_zip(std::span<const std::byte> file);
  static bool is_legacy(std::span<const std::byte> file);

 private:
  void read_zip(std::span<const std::byte> file);
  void read_legacy(std::span<const std::byte> file);
  // Those that the pickle refers to, by key; each must have one size.
  std::map<std::string, const PickleStorage*> declared_storages() const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string source_;
  PickleGraph graph_;
  std::optional<ZipReader> zip_;                                     // absent: the legacy layout
  std::string data_folder_;                                          // of the storages within the zip archive
  std::map<std::string, std::span<const std::byte>> legacy_blocks_;  // by storage key
};

}  // namespace drystill::io
