#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "configs/diagnostics.h"
#include "configs/node.h"

namespace drystill::configs {

// A configuration is small. Beyond these a file is an accident or an attack, and it is refused before it costs memory.
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 100'000;                         // after aliases are expanded
constexpr std::size_t kMaxExpandedBytes = std::size_t{16} << 20U;  // text of all nodes, after aliases are expanded

// Parses one YAML document. Stricter than YAML on purpose: duplicate keys, `<<`, tags, a second document, tabs in the
// indentation, control characters and bytes that are not UTF-8 are errors; anchors and aliases work within the limits
// above. An empty text is kNull. Where the text cannot be read at all the result is nullopt.
//
// `source` is what messages call the text ("configs/x.yaml"); with `has_lines` false they give no line and column.
std::optional<Node> parse_yaml(std::string_view text, const std::string& source, Diagnostics& diagnostics,
                               bool has_lines = true);

// Reads a file whose top level must be a mapping (or nothing, an empty one); `asked_at` is where the file was named
// (for "no such file").
std::optional<Node> load_yaml_file(const std::filesystem::path& path, const Origin& asked_at, Diagnostics& diagnostics);

}  // namespace drystill::configs
