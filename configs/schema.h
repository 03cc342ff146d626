#pragma once

#include <string>

#include "configs/option_type.h"

namespace drystill::configs {

// JSON Schema (draft 2020-12) of a configuration, for editors and validators: types, ranges, names, defaults and
// descriptions. A variant is `oneOf` with its key as a constant. `options` holds the defaults.
std::string json_schema(OptionRef options, const std::string& title);

// The same as Markdown tables: key, type, default, meaning; one table for each alternative of a variant at the top.
std::string markdown_reference(OptionRef options);

}  // namespace drystill::configs
