#include "io/torch_archive.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

// The pickle of torch.serialization.MAGIC_NUMBER, 0x1950a86a20f9469cfc6c.
constexpr auto kLegacyMagic = std::to_array<std::uint8_t>(
    {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'});
constexpr std::int64_t kLegacyProtocol = 1001;
constexpr std::uint64_t kLengthBytes = 8;

std::uint64_t width_of(const PickleStorage& storage) {
  return storage.dtype ? c10::elementSize(*storage.dtype) : 1;
}

// Of the whole block, or nothing where that passes 64 bits.
std::optional<std::uint64_t> size_of(const PickleStorage& storage) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(storage.elements), width_of(storage), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace

TorchArchive::TorchArchive(const MappedFile& file) : source_(file.path().string()) {
  if (is_zip(file.bytes())) {
    read_zip(file.bytes());
  } else if (is_legacy(file.bytes())) {
    read_legacy(file.bytes());
  } else {
    fail("it begins neither as a zip archive nor as a legacy file of torch.save");
  }
}

bool TorchArchive::is_zip(std::span<const std::byte> file) {
  static constexpr auto kSignature = std::to_array<std::uint8_t>({'P', 'K', 3, 4});
  return file.size() >= kSignature.size() &&
         std::ranges::equal(file.first(kSignature.size()), std::as_bytes(std::span(kSignature)));
}

bool TorchArchive::is_legacy(std::span<const std::byte> file) {
  return file.size() >= kLegacyMagic.size() &&
         std::ranges::equal(file.first(kLegacyMagic.size()), std::as_bytes(std::span(kLegacyMagic)));
}

void TorchArchive::fail(const std::string& what) const {
  throw InputError(quote(source_) + " is not a valid PyTorch file: " + what);
}

void TorchArchive::read_zip(std::span<const std::byte> file) {
  const ZipReader& zip = zip_.emplace(file, source_);
  // All entries stand in one folder, named after the file at the time of saving.
  constexpr std::string_view kPickle = "/data.pkl";
  const auto found = std::ranges::find_if(zip.entries(), [&](const auto& entry) {
    return entry.first.ends_with(kPickle) && entry.first.find('/') == entry.first.size() - kPickle.size();
  });
  if (found == zip.entries().end()) fail("it is a zip archive without 'data.pkl'; expected a file of torch.save");
  const std::string root = found->first.substr(0, found->first.size() - kPickle.size() + 1);
  if (zip.entries().contains(root + "constants.pkl")) {
    fail("it is a TorchScript archive; in Python, save torch.jit.load(file).state_dict() with torch.save");
  }
  if (zip.entries().contains(root + "byteorder")) {
    const auto order = zip.read(root + "byteorder");
    const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
    if (text != "little") fail("it was saved on a big-endian machine (byte order " + quote(text) + ")");
  }
  graph_ = unpickle(zip.read(found->first), source_);
  data_folder_ = root + "data/";
  declared_storages();
}

void TorchArchive::read_legacy(std::span<const std::byte> file) {
  std::size_t position = kLegacyMagic.size();
  const auto next = [&] {
    PickleGraph graph = unpickle(file.subspan(position), source_);
    position += graph.bytes_read;
    return graph;
  };
  const PickleGraph protocol = next();
  if (const auto* number = protocol.get<std::int64_t>(protocol.root); number == nullptr || *number != kLegacyProtocol) {
    fail("it is of an unknown version of the format");
  }
  const PickleGraph system = next();
  if (const auto* facts = system.get<PickleDict>(system.root)) {
    for (const auto& [key, value] : facts->items) {
      const auto* name = system.get<std::string>(key);
      const auto* flag = system.get<bool>(value);
      if (name && flag && *name == "little_endian" && !*flag) fail("it was saved on a big-endian machine");
    }
  }
  graph_ = next();

  const auto declared = declared_storages();
  const PickleGraph keys = next();
  const auto* list = keys.get<PickleList>(keys.root);
  if (list == nullptr) fail("its list of storages is missing");
  for (const PickleId id : list->items) {
    const auto* key = keys.get<std::string>(id);
    const auto found = key ? declared.find(*key) : declared.end();
    if (found == declared.end()) fail("it lists a storage that nothing refers to");
    const auto size = size_of(*found->second);
    if (file.size() - position < kLengthBytes || !size || *size > file.size() - position - kLengthBytes) {
      fail("storage " + quote(*key) + " passes the end of the file; it is damaged or cut short");
    }
    std::uint64_t elements = 0;
    for (unsigned i = kLengthBytes; i-- > 0;) {
      elements = elements << 8 | std::to_integer<std::uint64_t>(file[position + i]);
    }
    if (elements != static_cast<std::uint64_t>(found->second->elements)) {
      fail("storage " + quote(*key) + " has " + std::to_string(elements) + " elements, expected " +
           std::to_string(found->second->elements) + "; it is damaged");
    }
    position += kLengthBytes;
    legacy_blocks_[*key] = file.subspan(position, *size);
    position += *size;
  }
}

std::map<std::string, const PickleStorage*> TorchArchive::declared_storages() const {
  std::map<std::string, const PickleStorage*> declared;
  for (const PickleValue& value : graph_.values) {
    const auto* storage = std::get_if<PickleStorage>(&value);
    if (storage == nullptr) continue;
    const auto [first, is_new] = declared.try_emplace(storage->key, storage);
    if (!is_new && size_of(*first->second) != size_of(*storage)) fail("it gives one storage two sizes");
  }
  return declared;
}

std::span<const std::byte> TorchArchive::bytes(const PickleStorage& storage) const {
  std::span<const std::byte> block;
  if (zip_) {
    block = zip_->read(data_folder_ + storage.key);
  } else {
    const auto found = legacy_blocks_.find(storage.key);
    if (found == legacy_blocks_.end()) fail("the data of storage " + quote(storage.key) + " is missing");
    block = found->second;
  }
  if (size_of(storage) != block.size()) {
    fail("storage " + quote(storage.key) + " has " + std::to_string(block.size()) + " bytes, expected " +
         std::to_string(storage.elements) + " elements of " + std::to_string(width_of(storage)) + "; it is damaged");
  }
  return block;
}

}  // namespace drystill::io
