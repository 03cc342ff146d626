#include "language/tokenizer/json_file.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"
#include "io/mapped_file.h"
#include "io/quote.h"

namespace drystill::language {
namespace {

constexpr int kDeepest = 64;

}  // namespace

nlohmann::json read_json_object(const std::filesystem::path& path, std::size_t most_bytes) {
  using Json = nlohmann::json;
  const std::string name = io::quote(path.string());
  const io::MappedFile file(path);
  if (file.bytes().size() > most_bytes) {
    throw InputError(name + " has " + std::to_string(file.bytes().size()) + " bytes; at most " +
                     std::to_string(most_bytes) + " are read");
  }
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepest) throw InputError(name + " nests deeper than " + std::to_string(kDeepest) + " levels");
    return true;
  };
  try {
    Json json = Json::parse(text, watch);
    if (!json.is_object()) throw InputError(name + " is not a JSON object");
    return json;
  } catch (const Json::exception& error) {
    throw InputError(name + " is not JSON (" + io::quote(error.what()) + "); fetch it again");
  }
}

}  // namespace drystill::language
