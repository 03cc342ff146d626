#include "io/gguf_header.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "core/error.h"
#include "io/dtype.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

constexpr std::uint32_t kMostDimensions = 4;  // GGML_MAX_DIMS
constexpr std::uint64_t kMostArrayValues =
    1 << 24;  // in all arrays of the metadata: real vocabularies and merges have a tenth
constexpr std::uint64_t kDefaultAlignment = 32;     // where general.alignment is absent
constexpr std::uint64_t kSmallestPair = 8 + 4 + 1;  // an empty key, a type, a byte
constexpr std::uint64_t kSmallestTensor = 8 + 4 + 4 + 8;
constexpr char kAlignmentKey[] = "general.alignment";

// Types of metadata values, as numbered in the file.
enum ValueType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

// Bytes of one value, the least it can be for a text.
std::uint64_t width_of(std::uint32_t type) {
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool:
      return 1;
    case kUint16:
    case kInt16:
      return 2;
    case kUint32:
    case kInt32:
    case kFloat32:
      return 4;
    case kUint64:
    case kInt64:
    case kFloat64:
    case kString:
      return 8;
    default:
      return 0;
  }
}

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}

  GgufHeader parse() {
    where_ = "its begin";
    read_version();
    const std::uint64_t tensors = number(8);
    const std::uint64_t pairs = number(8);
    if (pairs > left() / kSmallestPair) fail("it claims " + std::to_string(pairs) + " metadata entries" + rest());
    for (std::uint64_t i = 0; i < pairs; ++i) read_pair(i);
    const std::uint64_t alignment = read_alignment();
    where_ = "its list of tensors";
    if (tensors > left() / kSmallestTensor) fail("it claims " + std::to_string(tensors) + " tensors" + rest());
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor(i, alignment);
    place_tensors(alignment);
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(quote(source_) + " is not a valid GGUF file: " + what +
                     "; it may be damaged or cut short, fetch it again");
  }

  std::uint64_t left() const { return file_.size() - position_; }
  std::string rest() const { return ", only " + std::to_string(left()) + " bytes are left"; }

  // Little-endian, checked.
  std::uint64_t number(unsigned width) {
    if (width > left()) fail(where_ + " passes the end of the file");
    std::uint64_t result = 0;
    for (unsigned i = width; i-- > 0;) result = result << 8 | std::to_integer<std::uint64_t>(file_[position_ + i]);
    position_ += width;
    return result;
  }

  std::string text() {
    const std::uint64_t length = number(8);
    if (length > left()) fail(where_ + " has a text of " + std::to_string(length) + " bytes" + rest());
    std::string result(reinterpret_cast<const char*>(file_.data()) + position_, length);
    position_ += length;
    return result;
  }

  void read_version() {
    if (number(4) != 0x46554747) fail("it does not begin with 'GGUF'");
    const std::uint64_t version = number(4);
    if (version != 0 && (version & 0xffff) == 0) fail("it is big-endian, which is not read");
    if (version != 2 && version != 3) fail("it has version " + std::to_string(version) + ", expected 2 or 3");
    header_.version = static_cast<unsigned>(version);
  }

  void read_pair(std::uint64_t index) {
    where_ = "the key of metadata entry " + std::to_string(index);
    std::string key = text();
    where_ = "metadata " + quote(key);
    if (header_.metadata.contains(key)) fail(where_ + " stands there twice");
    GgufValue value = read_value(static_cast<std::uint32_t>(number(4)));
    header_.metadata.emplace(std::move(key), std::move(value));
  }

  bool boolean() {
    const std::uint64_t value = number(1);
    if (value > 1) fail(where_ + " has a truth value of " + std::to_string(value) + ", expected 0 or 1");
    return value == 1;
  }
  double real(std::uint32_t type) {
    if (type == kFloat64) return std::bit_cast<double>(number(8));
    return std::bit_cast<float>(static_cast<std::uint32_t>(number(4)));
  }
  std::int64_t integer(std::uint32_t type) {
    const auto unused = static_cast<int>(64 - 8 * width_of(type));
    return static_cast<std::int64_t>(number(static_cast<unsigned>(width_of(type))) << unused) >> unused;
  }

  GgufValue read_value(std::uint32_t type) {
    switch (type) {
      case kBool:
        return boolean();
      case kString:
        return text();
      case kFloat32:
      case kFloat64:
        return real(type);
      case kInt8:
      case kInt16:
      case kInt32:
      case kInt64:
        return integer(type);
      case kUint8:
      case kUint16:
      case kUint32:
      case kUint64:
        return number(static_cast<unsigned>(width_of(type)));
      case kArray:
        return read_array();
      default:
        fail(where_ + " has the unknown type " + std::to_string(type));
    }
  }

  // No known file nests arrays, and the reference implementation does not read such files either.
  GgufValue read_array() {
    const auto type = static_cast<std::uint32_t>(number(4));
    const std::uint64_t count = number(8);
    if (type == kArray) fail(where_ + " is an array of arrays, which is not read");
    if (width_of(type) == 0) fail(where_ + " is an array of the unknown type " + std::to_string(type));
    if (count > left() / width_of(type)) fail(where_ + " claims " + std::to_string(count) + " values" + rest());
    array_values_ += count;
    if (array_values_ > kMostArrayValues) {
      fail(where_ + " makes more than " + std::to_string(kMostArrayValues) + " array values in the metadata");
    }
    switch (type) {
      case kBool:
        return many<bool>(count, [&] { return boolean(); });
      case kString:
        return many<std::string>(count, [&] { return text(); });
      case kFloat32:
      case kFloat64:
        return many<double>(count, [&] { return real(type); });
      case kInt8:
      case kInt16:
      case kInt32:
      case kInt64:
        return many<std::int64_t>(count, [&] { return integer(type); });
      default:
        return many<std::uint64_t>(count, [&] { return number(static_cast<unsigned>(width_of(type))); });
    }
  }

  template <class T, class Read>
  static std::vector<T> many(std::uint64_t count, const Read& read) {
    std::vector<T> values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(read());
    return values;
  }

  std::uint64_t read_alignment() const {
    const auto found = header_.metadata.find(kAlignmentKey);
    if (found == header_.metadata.end()) return kDefaultAlignment;
    const auto* value = std::get_if<std::uint64_t>(&found->second);
    if (value == nullptr || !std::has_single_bit(*value) || *value > std::numeric_limits<std::uint32_t>::max()) {
      fail("metadata 'general.alignment' is not a power of two of 32 bits");
    }
    return *value;
  }

  void read_tensor(std::uint64_t index, std::uint64_t alignment) {
    where_ = "the name of tensor " + std::to_string(index);
    std::string name = text();
    where_ = "tensor " + quote(name);
    if (header_.tensors.contains(name)) fail(where_ + " stands there twice");
    GgufTensor tensor;
    const std::uint64_t dimensions = number(4);
    if (dimensions > kMostDimensions) {
      fail(where_ + " has " + std::to_string(dimensions) + " dimensions, expected at most 4");
    }
    for (std::uint64_t i = 0; i < dimensions; ++i) {
      const std::uint64_t size = number(8);
      if (size > std::numeric_limits<std::int64_t>::max()) fail(where_ + " has a dimension of more than 63 bits");
      tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(size));
    }
    const auto type = static_cast<std::uint32_t>(number(4));
    tensor.type = find_ggml_type(type);
    if (tensor.type == nullptr) fail(where_ + " has the unknown type " + std::to_string(type));
    tensor.bytes = size_in_bytes(*tensor.type, tensor.shape);
    tensor.begin = number(8);  // within the data area, whose begin is known after the last name
    if (tensor.begin % alignment != 0) {
      fail(where_ + " begins at byte " + std::to_string(tensor.begin) + " of the data, which is no multiple of " +
           std::to_string(alignment));
    }
    header_.tensors.emplace(std::move(name), std::move(tensor));
  }

  std::uint64_t size_in_bytes(const GgmlType& type, const std::vector<std::int64_t>& shape) const {
    const auto count = element_count(shape);
    if (!count) fail(where_ + " has the impossible shape " + shape_text(shape));
    if ((shape.empty() ? 1 : shape.back()) % type.block_elements != 0) {
      fail(where_ + " has rows of " + std::to_string(shape.empty() ? 1 : shape.back()) + " elements, " +
           std::string(type.name) + " needs a multiple of " + std::to_string(type.block_elements));
    }
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(*count / type.block_elements, std::uint64_t{type.block_bytes}, &bytes)) {
      fail(where_ + " has the impossible shape " + shape_text(shape));
    }
    return bytes;
  }

  // Turns begins within the data area into begins within the file.
  void place_tensors(std::uint64_t alignment) {
    const std::uint64_t data_start = (position_ + alignment - 1) / alignment * alignment;
    const std::uint64_t available = data_start > file_.size() ? 0 : file_.size() - data_start;
    std::vector<std::pair<const std::string*, GgufTensor*>> order;
    for (auto& [name, tensor] : header_.tensors) {
      if (tensor.begin > available || tensor.bytes > available - tensor.begin) {
        fail("tensor " + quote(name) + " lies at bytes " + std::to_string(tensor.begin) + " and the " +
             std::to_string(tensor.bytes) + " following of a data area of " + std::to_string(available));
      }
      tensor.begin += data_start;
      if (tensor.bytes > 0) order.emplace_back(&name, &tensor);
    }
    std::ranges::sort(order, {}, [](const auto& item) { return item.second->begin; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (order[i].second->begin < order[i - 1].second->begin + order[i - 1].second->bytes) {
        fail("tensor " + quote(*order[i].first) + " overlaps tensor " + quote(*order[i - 1].first));
      }
    }
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  std::uint64_t position_ = 0;
  std::string where_;               // what is being read, for messages
  std::uint64_t array_values_ = 0;  // so far
  GgufHeader header_;
};

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source) {
  return GgufParser(file, source).parse();
}

}  // namespace drystill::io
