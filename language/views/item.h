#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace drystill::language {

// What a prompt is made of: texts by name, for the templates of a view, or tokens where there is no text at all (a
// beginning-of-text token, one token of the vocabulary). Names in use: prompt, instruction, demonstration, reference,
// sibling, feedback, chunk.
struct Item {
  std::map<std::string, std::string> fields;
  std::vector<std::int64_t> tokens;  // not empty: the prompt in every view that has no template
  std::string origin = {};           // "file:line" of a record; empty: it has none
};

}  // namespace drystill::language
