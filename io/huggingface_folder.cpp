#include "io/huggingface_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "io/json_file.h"
#include "io/mapped_safetensors.h"
#include "io/quote.h"
#include "io/safetensors.h"
#include "io/torch_pickle.h"

namespace drystill::io {
namespace {

using Json = nlohmann::json;
using Path = std::filesystem::path;

constexpr std::size_t kLongestIndex = 32'000'000;  // three times the longest one known

// A name that no file can have is not there either.
bool is_there(const Path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Where the weights stand: one file, or the shards of an index.
struct Weights {
  bool safetensors = false;
  Path index;                                              // empty: one file
  std::map<std::string, std::vector<std::string>> shards;  // file name -> tensors the index places there
};

// The name comes from a file that anybody may have written.
bool stays_in_folder(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

Weights read_index(const Path& index, bool safetensors) {
  Weights weights{.safetensors = safetensors, .index = index, .shards = {}};
  const Json json = read_json_object(index, {.bytes = kLongestIndex});
  const std::string source = quote(index.string());
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object() || map->empty()) {
    throw InputError(source + " has no 'weight_map' of tensors to files; fetch it again");
  }
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !stays_in_folder(file.get<std::string>())) {
      throw InputError(source + ": tensor " + quote(tensor) + " is placed in " +
                       quote(file.dump(-1, ' ', false, Json::error_handler_t::replace)) +
                       ", expected the name of a file beside the index");
    }
    weights.shards[file.get<std::string>()].push_back(tensor);
  }
  for (const auto& [file, tensors] : weights.shards) {
    if (is_there(index.parent_path() / file)) continue;
    throw InputError(quote((index.parent_path() / file).string()) + " is missing: " + source + " places " +
                     std::to_string(tensors.size()) + " tensors there; fetch the whole folder");
  }
  return weights;
}

Weights find_weights(const Path& folder) {
  for (const char* stem : {"model.safetensors", "pytorch_model.bin"}) {
    const bool safetensors = std::string_view(stem) == "model.safetensors";
    const Path index = folder / (stem + std::string(".index.json"));
    if (is_there(folder / stem)) {
      return {.safetensors = safetensors, .index = {}, .shards = {{stem, {}}}};
    }
    if (is_there(index)) return read_index(index, safetensors);
  }
  throw InputError("the folder " + quote(folder.string()) +
                   " holds no weights: expected model.safetensors, pytorch_model.bin, or the .index.json of one");
}

// Compares what the shards hold with what the index says of them.
class ShardCheck {
 public:
  explicit ShardCheck(const Weights& weights) : weights_(weights) {
    for (const auto& [file, tensors] : weights.shards) {
      for (const auto& tensor : tensors) file_of_.emplace(tensor, &file);
    }
  }

  // Whether the index places `tensor`, found in `file`, there. One file without index holds whatever it holds.
  bool takes(const std::string& tensor, const std::string& file) {
    if (weights_.index.empty()) return true;
    const auto expected = file_of_.find(tensor);
    if (expected == file_of_.end()) return false;
    if (*expected->second != file) fail(tensor, "stands in " + quote(file) + ", the index places it in ", expected);
    found_.insert(tensor);
    return true;
  }

  void finish() const {
    for (auto place = file_of_.begin(); place != file_of_.end(); ++place) {
      if (!found_.contains(place->first)) fail(place->first, "is not in ", place);
    }
  }

 private:
  using Places = std::map<std::string, const std::string*>;

  [[noreturn]] void fail(const std::string& tensor, const std::string& what, Places::const_iterator place) const {
    throw InputError(quote(weights_.index.string()) + ": tensor " + quote(tensor) + " " + what + quote(*place->second) +
                     "; index and shards are of different models or damaged, fetch the whole folder");
  }

  const Weights& weights_;
  Places file_of_;
  std::set<std::string> found_;
};

// The shards that `index` names, as far as it can be read.
std::set<std::string> named_shards(const Path& index, std::string_view ending) {
  std::set<std::string> names;
  try {
    const Json json = read_json_object(index, {.bytes = kLongestIndex});
    const auto map = json.find("weight_map");
    if (map == json.end() || !map->is_object()) return names;
    for (const auto& [tensor, file] : map->items()) {
      if (!file.is_string()) continue;
      const auto& name = file.get_ref<const std::string&>();
      if (stays_in_folder(name) && name.ends_with(ending)) names.insert(name);
    }
  } catch (const InputError&) {
    return names;  // a damaged index goes all the same
  }
  return names;
}

TensorFile read_weight_file(const Path& path, bool safetensors) {
  if (!safetensors) return read_torch(path);
  const MappedSafetensors file(path);
  return {file.tensors(), file.metadata()};
}

}  // namespace

TensorFile read_huggingface_folder(const Path& folder) {
  const Weights weights = find_weights(folder);
  ShardCheck check(weights);
  TensorFile result;
  for (const auto& [name, tensors] : weights.shards) {
    TensorFile file = read_weight_file(folder / name, weights.safetensors);
    for (auto& [tensor, value] : file.tensors) {
      if (check.takes(tensor, name)) result.tensors.emplace(tensor, std::move(value));
    }
    if (name == weights.shards.begin()->first) result.metadata = std::move(file.metadata);
  }
  check.finish();
  return result;
}

FileDescription describe_huggingface_folder(const Path& folder) {
  const Weights weights = find_weights(folder);
  ShardCheck check(weights);
  FileDescription result;
  for (const auto& [name, tensors] : weights.shards) {
    FileDescription file = weights.safetensors ? describe_safetensors(folder / name) : describe_torch(folder / name);
    for (auto& tensor : file.tensors) {
      if (check.takes(tensor.name, name)) result.tensors.push_back(std::move(tensor));
    }
    if (name == weights.shards.begin()->first) result.metadata = std::move(file.metadata);
    if (result.format.empty()) result.format = "Hugging Face folder, " + file.format;
    result.file_bytes += file.file_bytes;
  }
  check.finish();
  if (!weights.index.empty()) result.format += ", files: " + std::to_string(weights.shards.size());
  std::ranges::sort(result.tensors, {}, &TensorInfo::name);
  if (is_there(folder / "config.json")) {
    const Json config = read_json_object(folder / "config.json");
    for (const auto& [key, value] : config.items()) {
      if (value.is_structured() || value.is_null()) continue;
      result.metadata["config." + key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  return result;
}

void remove_other_weights(const Path& folder) {
  for (const char* stem : {"model.safetensors", "pytorch_model.bin"}) {
    const Path index = folder / (stem + std::string(".index.json"));
    for (const std::string& shard : named_shards(index, Path(stem).extension().string())) {
      if (shard != "model.safetensors") std::filesystem::remove(folder / shard);
    }
    std::filesystem::remove(index);
  }
  std::filesystem::remove(folder / "pytorch_model.bin");
}

}  // namespace drystill::io
