#pragma once

#include <string>

#include "configs/node.h"

namespace drystill::configs {

// A tree as block YAML, lists of plain values in one line. `with_origins` adds `# file:line:column` behind every value.
std::string emit_yaml(const Node& root, bool with_origins = false);

}  // namespace drystill::configs
