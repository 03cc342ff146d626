#include "io/json_file.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "io/mapped_file.h"
#include "io/quote.h"

namespace drystill::io {

nlohmann::json parse_json_object(std::string_view text, int deepest,
                                 const std::function<void(const std::string& what)>& fail) {
  using Json = nlohmann::json;
  std::vector<std::unordered_set<std::string>> keys;  // of the objects around the place that is being read
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > deepest) fail("nests too deeply");
    if (event == Json::parse_event_t::object_start) {
      keys.resize(static_cast<std::size_t>(depth) + 1);
      keys.back().clear();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.at(static_cast<std::size_t>(depth) - 1).insert(key).second) fail("names " + quote(key) + " twice");
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, watch);
  } catch (const Json::exception& error) {
    fail("is not JSON (" + quote(error.what()) + ")");
  }
  if (!json.is_object()) fail("is not a JSON object");
  return json;
}

nlohmann::json read_json_object(const std::filesystem::path& path, const JsonLimits& limits) {
  const MappedFile file(path);
  const auto fail = [&](const std::string& what) {
    throw InputError(quote(path.string()) + " " + what + "; it may be damaged, fetch it again");
  };
  const auto bytes = file.bytes();
  if (bytes.size() > limits.bytes) {
    fail("has " + std::to_string(bytes.size()) + " bytes, expected at most " + std::to_string(limits.bytes));
  }
  return parse_json_object({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, limits.depth, fail);
}

}  // namespace drystill::io
