#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

// JSON that somebody else wrote, read strictly: one object, of bounded depth, whose keys are unique at every level (the
// library would keep the last of two). Included by .cpp files only.

namespace drystill::io {

// Calls `fail`, which throws, with what is wrong: "names 'a' twice".
nlohmann::json parse_json_object(std::string_view text, int deepest,
                                 const std::function<void(const std::string& what)>& fail);

struct JsonLimits {
  std::size_t bytes = std::size_t{16} << 20;  // of a configuration
  int depth = 32;
};

// InputError, naming the file, where it cannot be read, is too large or is not such an object.
nlohmann::json read_json_object(const std::filesystem::path& path, const JsonLimits& limits = {});

}  // namespace drystill::io
