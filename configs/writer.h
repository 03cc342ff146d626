#pragma once

#include <string>

#include "configs/node.h"
#include "configs/option_type.h"
#include "configs/reader.h"

namespace drystill::configs {

struct WriteOptions {
  bool minimal = false;              // only what differs from the defaults (and what has none)
  const Origins* origins = nullptr;  // where given, every line says in a comment where its value was written
};

// Options as YAML that reads back as the same options (written values never hold live `${...}`).
std::string to_yaml(OptionRef options, const WriteOptions& write = {});

// Options as JSON, indented. JSON knows no infinity: it is written as the string ".inf".
std::string to_json(OptionRef options);

// Options as a tree; to_yaml is this, printed.
Node to_tree(OptionRef options, const WriteOptions& write = {});

}  // namespace drystill::configs
