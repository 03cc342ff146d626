#pragma once

#include <functional>
#include <optional>
#include <string>

#include "configs/diagnostics.h"
#include "configs/node.h"

namespace drystill::configs {

// Runs the YAML parser over checked text and builds our own tree from its events; `origin_of` makes an Origin from a
// line and a column counted from 1. Rules and limits: yaml_document.h.
std::optional<Node> build_tree(const std::string& text, const std::function<Origin(int line, int column)>& origin_of,
                               Diagnostics& diagnostics);

}  // namespace drystill::configs
