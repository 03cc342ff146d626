#include "io/gguf.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <type_traits>

#include "core/error.h"
#include "io/gguf_blocks.h"
#include "io/mapped_tensor.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

template <class T>
constexpr bool kIsVector = false;
template <class T>
constexpr bool kIsVector<std::vector<T>> = true;

bool is_array(const GgufValue& value) {
  return std::visit([]<class T>(const T&) { return kIsVector<T>; }, value);
}

std::string text_of(const std::string& value) {
  return value;
}
std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(std::int64_t value) {
  return std::to_string(value);
}
std::string text_of(std::uint64_t value) {
  return std::to_string(value);
}
std::string text_of(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.7g", value);  // most were float32
  return buffer;
}

// "49152 values: '<|endoftext|>', '<|im_start|>', '<|im_end|>', ..."
template <class T>
std::string text_of(const std::vector<T>& values) {
  constexpr std::size_t kShown = 3;
  std::string text = std::to_string(values.size()) + " values";
  for (std::size_t i = 0; i < values.size() && i < kShown; ++i) {
    text += i == 0 ? ": " : ", ";
    if constexpr (std::is_same_v<T, std::string>) {
      text += quote(values[i]);
    } else {
      text += text_of(static_cast<T>(values[i]));
    }
  }
  return text + (values.size() > kShown ? ", ..." : "");
}

std::string text_of(const GgufValue& value) {
  return std::visit([](const auto& content) { return text_of(content); }, value);
}

// The type that takes most bytes.
std::string_view main_type(const GgufHeader& header) {
  std::map<std::string_view, std::uint64_t> bytes;
  for (const auto& [name, tensor] : header.tensors) bytes[tensor.type->name] += tensor.bytes;
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& item) { return item.second; });
  return most == bytes.end() ? "without tensors" : most->first;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : source_(path.string()), file_(std::make_shared<MappedFile>(path, MappedFile::Access::kCopyOnWrite)) {
  header_ = parse_gguf_header(file_->bytes(), source_);
}

torch::Tensor GgufFile::tensor(std::string_view name, at::ScalarType dtype) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) throw InputError(quote(source_) + " has no tensor " + quote(name));
  const GgufTensor& info = found->second;
  if (info.type->torch) return mapped_tensor(file_, info.begin, info.bytes, *info.type->torch, info.shape).to(dtype);
  if (!can_dequantize(*info.type)) {
    throw InputError(quote(source_) + ": tensor " + quote(name) + " is " + std::string(info.type->name) +
                     ", which is not read; expected F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K");
  }
  const auto blocks = file_->bytes().subspan(info.begin, info.bytes);
  if (dtype == at::kBFloat16) return dequantize(blocks, *info.type, info.shape, dtype);
  return dequantize(blocks, *info.type, info.shape, at::kFloat).to(dtype);
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = header_.metadata.find(key);
  return found == header_.metadata.end() ? nullptr : &found->second;
}

void GgufFile::fail_kind(std::string_view key, const std::string& expected) const {
  throw InputError(quote(source_) + ": metadata " + quote(key) + " is " + quote(text_of(*find(key))) + ", expected " +
                   expected);
}

std::int64_t GgufFile::signed_of(std::string_view key, std::uint64_t value) const {
  if (value > std::numeric_limits<std::int64_t>::max()) fail_kind(key, "integers of at most 63 bits");
  return static_cast<std::int64_t>(value);
}

std::optional<bool> GgufFile::flag(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  fail_kind(key, "true or false");
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(value)) return signed_of(key, *number);
  fail_kind(key, "an integer");
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(value)) return static_cast<double>(*number);
  fail_kind(key, "a number");
}

std::optional<std::string> GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  fail_kind(key, "a text");
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(value)) return *numbers;
  const auto* numbers = std::get_if<std::vector<std::uint64_t>>(value);
  if (numbers == nullptr) fail_kind(key, "an array of integers");
  std::vector<std::int64_t> result;
  result.reserve(numbers->size());
  for (const std::uint64_t number : *numbers) result.push_back(signed_of(key, number));
  return result;
}

std::optional<std::vector<double>> GgufFile::numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* numbers = std::get_if<std::vector<double>>(value)) return *numbers;
  fail_kind(key, "an array of floating-point numbers");
}

const std::vector<std::string>* GgufFile::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* texts = std::get_if<std::vector<std::string>>(value);
  if (texts == nullptr) fail_kind(key, "an array of texts");
  return texts;
}

TensorFile read_gguf(const std::filesystem::path& path) {
  const GgufFile file(path);
  TensorFile result;
  for (const auto& [name, tensor] : file.tensors()) {
    const auto stored = tensor.type->torch;
    const bool small_float = !stored || *stored == at::kHalf || *stored == at::kBFloat16;
    result.tensors[name] = file.tensor(name, small_float ? at::kFloat : *stored);
  }
  for (const auto& [key, value] : file.metadata()) {
    if (!is_array(value)) result.metadata[key] = text_of(value);
  }
  return result;
}

FileDescription describe_gguf(const std::filesystem::path& path) {
  const MappedFile file(path);
  const GgufHeader header = parse_gguf_header(file.bytes(), path.string());
  FileDescription description;
  description.format = "GGUF v" + std::to_string(header.version) + " " + std::string(main_type(header));
  description.file_bytes = file.bytes().size();
  for (const auto& [name, tensor] : header.tensors) {
    description.tensors.push_back({name, std::string(tensor.type->name), tensor.shape, tensor.bytes});
  }
  for (const auto& [key, value] : header.metadata) description.metadata[key] = text_of(value);
  return description;
}

}  // namespace drystill::io
