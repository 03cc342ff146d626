#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "journal/run_folder.h"

namespace drystill::journal {

// Adds one entry to environment.json, {"schema": 1, "starts": [{...}]}: a run resumed elsewhere keeps both. Date,
// processor, cores, memory, kernel and compiler are found out here; versions, threads and revision come from `facts`.
// No host or user name: reports are shown around.
void write_environment(const std::filesystem::path& path, const RunFacts& facts);

// The last start's entry as name and text, in file order. Throws InputError where the file is damaged.
std::vector<std::pair<std::string, std::string>> read_environment(const std::filesystem::path& path);

}  // namespace drystill::journal
