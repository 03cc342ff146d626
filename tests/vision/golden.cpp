#include "tests/vision/golden.h"

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace drystill::vision::testing {

// Trusts the file, which is part of this repository; io::read_safetensors is the one that does not.
std::map<std::string, torch::Tensor> read_golden(const std::string& stem) {
  const std::string path = std::string(DRYSTILL_GOLDEN_DIR) + "/vision/" + stem + ".safetensors";
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::ostringstream buffer;
  buffer << file.rdbuf();
  const std::string bytes = buffer.str();

  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  const char* data = bytes.data() + sizeof header_size + header_size;
  std::map<std::string, torch::Tensor> tensors;
  const auto header = nlohmann::json::parse(bytes.substr(sizeof header_size, header_size));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto dtype = entry.at("dtype") == "I64" ? torch::kInt64 : torch::kFloat32;
    auto tensor = torch::empty(entry.at("shape").get<std::vector<std::int64_t>>(), dtype);
    std::memcpy(tensor.mutable_data_ptr(), data + entry.at("data_offsets")[0].get<std::size_t>(), tensor.nbytes());
    tensors.emplace(name, tensor);
  }
  return tensors;
}

std::map<std::string, torch::Tensor> part(const std::map<std::string, torch::Tensor>& tensors,
                                          const std::string& prefix) {
  std::map<std::string, torch::Tensor> found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), tensor);
  }
  return found;
}

}  // namespace drystill::vision::testing
