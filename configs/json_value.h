#pragma once

#include <nlohmann/json_fwd.hpp>

#include "configs/option_type.h"

// Internal to this room: the only header of it that names the JSON library.

namespace drystill::configs {

nlohmann::ordered_json json_value(OptionRef ref);

}  // namespace drystill::configs
