#pragma once

#include <optional>

#include "configs/node.h"
#include "configs/option_type.h"

namespace drystill::configs {

// Lays `above` over `below`: mappings merge key by key, everything else is replaced (lists too).
//
// `schema` says which mappings are variants. Where `above` names another alternative than `below` holds (`method: adam`
// over `method: sgd`), the mapping is replaced whole: what was set for one method says nothing about another. A mapping
// without the key holds the default alternative, except at the top, where it holds whichever `above` names. Without a
// schema every mapping merges.
void merge(Node& below, Node above, std::optional<OptionRef> schema);

}  // namespace drystill::configs
