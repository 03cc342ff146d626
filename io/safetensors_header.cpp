#include "io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/dtype.h"
#include "io/json_file.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // the reference implementation's limit
constexpr int kDeepestHeader = 3;                      // of nested objects and lists
constexpr std::size_t kMostDimensions = 64;            // LibTorch's own limit
constexpr char kMetadataKey[] = "__metadata__";

class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}

  SafetensorsHeader parse() {
    const Json json =
        parse_json_object(json_text(), kDeepestHeader, [&](const std::string& what) { fail("its header " + what); });
    for (const auto& [name, value] : json.items()) {
      if (name == kMetadataKey) {
        read_metadata(value);
      } else {
        header_.entries.push_back(read_entry(name, value));
      }
    }
    check_coverage();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(quote(source_) + " is not a valid safetensors file: " + what +
                     "; it may be damaged or cut short, fetch or write it again");
  }

  std::string_view json_text() {
    if (file_.size() < kLengthBytes) {
      fail("expected at least 8 bytes, got " + std::to_string(file_.size()));
    }
    std::uint64_t length = 0;
    for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | std::to_integer<std::uint64_t>(file_[i]);
    if (length > kLongestHeader || length > file_.size() - kLengthBytes) {
      fail("its header claims " + std::to_string(length) + " bytes, the file has " + std::to_string(file_.size()));
    }
    header_.data_start = kLengthBytes + length;
    const std::string_view text(reinterpret_cast<const char*>(file_.data()) + kLengthBytes, length);
    if (!text.starts_with('{')) fail("its header does not begin with '{'");
    return text;
  }

  void read_metadata(const Json& json) {
    if (!json.is_object()) fail("its metadata is not a JSON object");
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) fail("metadata " + quote(key) + " is not a text");
      header_.metadata[key] = value.get<std::string>();
    }
  }

  SafetensorsHeader::Entry read_entry(const std::string& name, const Json& json) const {
    const std::string where = "tensor " + quote(name);
    const auto member = [&](const char* key) -> const Json& {
      if (!json.is_object() || json.size() != 3 || !json.contains(key)) {
        fail(where + " needs exactly 'dtype', 'shape' and 'data_offsets'");
      }
      return json.at(key);
    };
    const Json& dtype_name = member("dtype");
    const Dtype* dtype = dtype_name.is_string() ? find_dtype(dtype_name.get<std::string>()) : nullptr;
    if (dtype == nullptr) fail(where + " has the unknown dtype " + quote(dtype_name.dump().substr(0, 40)));

    SafetensorsHeader::Entry entry;
    entry.info.name = name;
    entry.info.dtype = dtype->name;
    const Json& shape = member("shape");
    if (!shape.is_array() || shape.size() > kMostDimensions) fail(where + " has no valid shape");
    for (const Json& size : shape) {
      if (!size.is_number_unsigned() || size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        fail(where + " has no valid shape");
      }
      entry.info.shape.push_back(size.get<std::int64_t>());
    }

    const Json& offsets = member("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      fail(where + " needs two data_offsets");
    }
    entry.begin = offsets[0].get<std::uint64_t>();
    entry.end = offsets[1].get<std::uint64_t>();
    if (entry.begin > entry.end || entry.end > file_.size() - header_.data_start) {
      fail(where + " lies at bytes " + std::to_string(entry.begin) + " to " + std::to_string(entry.end) +
           " of a data area of " + std::to_string(file_.size() - header_.data_start));
    }

    const auto count = element_count(entry.info.shape);
    std::uint64_t bits = 0;
    if (!count || __builtin_mul_overflow(*count, std::uint64_t{dtype->bits}, &bits) || bits % 8 != 0) {
      fail(where + " has the impossible shape " + shape_text(entry.info.shape));
    }
    entry.info.bytes = bits / 8;
    if (entry.info.bytes != entry.end - entry.begin) {
      fail(where + " needs " + std::to_string(entry.info.bytes) + " bytes for " + std::string(dtype->name) + " " +
           shape_text(entry.info.shape) + ", its data_offsets hold " + std::to_string(entry.end - entry.begin));
    }
    return entry;
  }

  void check_coverage() {
    std::ranges::sort(header_.entries, [](const auto& a, const auto& b) {
      return std::tie(a.begin, a.end, a.info.name) < std::tie(b.begin, b.end, b.info.name);
    });
    std::uint64_t position = 0;
    for (const auto& entry : header_.entries) {
      if (entry.begin != position) {
        fail("tensor " + quote(entry.info.name) + (entry.begin < position ? " overlaps another" : " follows a hole") +
             " (it begins at byte " + std::to_string(entry.begin) + ", expected " + std::to_string(position) + ")");
      }
      position = entry.end;
    }
    const std::uint64_t available = file_.size() - header_.data_start;
    if (position != available) {
      fail("its tensors fill " + std::to_string(position) + " of " + std::to_string(available) + " data bytes");
    }
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  SafetensorsHeader header_;
};

std::string json_string(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    throw InputError("the name or text " + quote(text) + " is not valid UTF-8, which safetensors needs");
  }
}

std::string compact(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
  return "[" + text + "]";
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& source) {
  return HeaderParser(file, source).parse();
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::string json = "{";
  if (!header.metadata.empty()) {
    json += json_string(kMetadataKey) + ":{";
    for (const auto& [key, value] : header.metadata) {
      json += (json.ends_with('{') ? "" : ",") + json_string(key) + ":" + json_string(value);
    }
    json += "}";
  }
  for (const auto& entry : header.entries) {
    if (entry.info.name == kMetadataKey) {
      throw InputError("a tensor cannot be named '__metadata__' in a safetensors file; rename it");
    }
    json += (json == "{" ? "" : ",") + json_string(entry.info.name) + ":{\"dtype\":\"" + entry.info.dtype +
            "\",\"shape\":" + compact(entry.info.shape) + ",\"data_offsets\":[" + std::to_string(entry.begin) + "," +
            std::to_string(entry.end) + "]}";
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > kLongestHeader) {
    throw InputError("the safetensors header would take " + std::to_string(json.size()) + " bytes, the format allows " +
                     std::to_string(kLongestHeader) + "; store fewer tensors or shorter metadata");
  }
  std::string result;
  for (unsigned i = 0; i < kLengthBytes; ++i) result += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return result + json;
}

}  // namespace drystill::io
