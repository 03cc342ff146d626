#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "configs/diagnostics.h"
#include "configs/node.h"
#include "configs/option_type.h"

namespace drystill::configs {

// One tree from a file, the files it inherits from, and `--set` assignments. Precedence, lowest first: `base:` files in
// the order they are named (each path relative to the file that names it), the file, the assignments.
//
//   base: [resnet8.yaml, ../loss.yaml]     # top level only
//   --set student.epochs=20                # the right side is YAML
//   --set stages[0].epochs=5               # an entry of a list that a file holds
//
// `${...}` is replaced last (interpolate.h). `schema` is the option struct that will be read: see merge.h.
// nullopt where a file or an assignment cannot be read at all; what can be read despite errors is returned.
std::optional<Node> resolve(const std::filesystem::path& file, const std::vector<std::string>& assignments,
                            OptionRef schema, Diagnostics& diagnostics);

// The same from text in memory, which may not name a `base:`.
std::optional<Node> resolve_text(std::string_view text, const std::string& source,
                                 const std::vector<std::string>& assignments, OptionRef schema,
                                 Diagnostics& diagnostics);

}  // namespace drystill::configs
