#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace drystill::io {

// Writes `folder`/manifest.json over the files named. RunError where that cannot be written.
void write_manifest(const std::filesystem::path& folder, std::int64_t step, const std::vector<std::string>& files);

enum class ManifestCheck { kSizes, kContents };

// Compares every file of the manifest with its size, and with `kContents` its XXH3-128, and returns the step.
// InputError names the file that is missing or damaged, the manifest included.
std::int64_t check_manifest(const std::filesystem::path& folder, ManifestCheck check);

}  // namespace drystill::io
