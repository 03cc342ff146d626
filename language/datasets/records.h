#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::language {

// One line of a JSONL file.
struct Record {
  std::map<std::string, std::string> fields;  // texts by name
  std::string origin;                         // "<source>:<line>"
  bool operator==(const Record&) const = default;
};

// One JSON object of strings a line; empty lines are skipped. Numbers and booleans become their JSON text. Throws
// InputError "<source>:<line>: ..." for anything else, a record without "prompt" included.
std::vector<Record> parse_records(std::string_view text, const std::string& source);

}  // namespace drystill::language
