#pragma once

#include <string>
#include <string_view>

#include "configs/diagnostics.h"
#include "configs/node.h"

namespace drystill::configs {

// Replaces `${a.b[0].c}` (a place in the same configuration) and `${env:NAME}`, `${env:NAME,default}` in every scalar.
// `${env:NAME,?hint}` has no default: where the variable is not set, the message ends with the hint.
// A scalar that is nothing but one reference takes the whole value, lists and mappings too; inside other text the
// scalar's text is put in. `$${` stands for a literal `${`. Cycles, places that do not exist, and growth beyond the
// limits of yaml_document.h are errors.
void interpolate(Node& root, Diagnostics& diagnostics);

// `text` with every `${` written as `$${`, so that reading it back gives `text`.
std::string escape_references(std::string_view text);

}  // namespace drystill::configs
