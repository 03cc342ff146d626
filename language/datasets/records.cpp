#include "language/datasets/records.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace drystill::language {
namespace {

Record parse_record(std::string_view line, const std::string& where) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw InputError(where + ": expected a JSON object of texts");
  Record record{.fields = {}, .origin = where};
  for (const auto& [name, value] : object.items()) {
    if (value.is_string()) {
      record.fields[name] = value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      record.fields[name] = value.dump();
    } else {
      throw InputError(std::string(where).append(": '").append(name).append("' is neither a text nor a number"));
    }
  }
  if (!record.fields.contains("prompt")) throw InputError(where + ": no \"prompt\"");
  return record;
}

}  // namespace

std::vector<Record> parse_records(std::string_view text, const std::string& source) {
  std::vector<Record> records;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    records.push_back(parse_record(line, source + ":" + std::to_string(number)));
  }
  return records;
}

}  // namespace drystill::language
