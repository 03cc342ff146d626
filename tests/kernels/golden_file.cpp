#include "tests/kernels/golden_file.h"

#include <ATen/ops/from_blob.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace drystill::testing {

std::map<std::string, torch::Tensor> read_golden(const std::string& name) {
  const std::string path = std::string(DRYSTILL_GOLDEN_DIR) + "/kernels/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  const auto header = nlohmann::json::parse(bytes.substr(sizeof header_size, header_size));

  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") continue;
    const auto offset = entry["data_offsets"][0].get<std::size_t>();
    char* data = bytes.data() + sizeof header_size + header_size + offset;
    tensors[key] = at::from_blob(data, entry["shape"].get<std::vector<std::int64_t>>(), torch::kFloat32).clone();
  }
  return tensors;
}

}  // namespace drystill::testing
