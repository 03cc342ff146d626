#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace drystill::language {

// A JSON object from a file of at most `most_bytes`, nested at most 64 deep. InputError for anything else.
nlohmann::json read_json_object(const std::filesystem::path& path, std::size_t most_bytes);

}  // namespace drystill::language
