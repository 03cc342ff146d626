#include "tests/language/golden_tokenizers.h"

#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/utf8.h"
#include "language/tokenizer/tokenizer_json.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language::testing {
namespace {

using Json = nlohmann::json;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(DRYSTILL_GOLDEN_DIR) / "language" / name;
}

// One character a byte.
std::string from_latin1(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    bytes += static_cast<char>(step.code_point);
    text.remove_prefix(step.length);
  }
  return bytes;
}

GoldenFamily ids_of(const Json& json) {
  GoldenFamily family;
  family.ids = json.at("ids").get<std::vector<std::vector<std::int64_t>>>();
  for (const auto& [index, ids] : json.at("special").items()) {
    family.special[std::stoul(index)] = ids.get<std::vector<std::int64_t>>();
  }
  return family;
}

struct Golden {
  std::vector<std::string> texts;
  std::map<std::string, GoldenFamily> families;
};

const Golden& read() {
  static const Golden content = [] {
    Golden result;
    const Json json = Json::parse(gunzip(golden("tokenizers.json.gz")));
    for (const Json& text : json.at("texts")) result.texts.push_back(from_latin1(text.get<std::string>()));
    for (const auto& [name, value] : json.at("families").items()) {
      GoldenFamily family = ids_of(value);
      family.tokenizer_json = value.at("tokenizer").dump();
      family.config_json = value.at("config").dump();
      family.hello = value.at("hello").get<std::vector<std::int64_t>>();
      family.decoded = value.at("decoded").get<std::string>();
      result.families.emplace(name, std::move(family));
    }
    return result;
  }();
  return content;
}

}  // namespace

std::string gunzip(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  char buffer[1 << 14];
  int count = 0;
  while ((count = gzread(file, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(count));
  gzclose(file);
  if (count < 0) throw std::runtime_error("cannot read " + path.string());
  return text;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

Tokenizer GoldenFamily::load() const {
  const drystill::testing::TemporaryFolder folder;
  write_text(folder / "tokenizer.json", tokenizer_json);
  write_text(folder / "tokenizer_config.json", config_json);
  return read_tokenizer_json(folder / "tokenizer.json");
}

const std::vector<std::int64_t>& GoldenFamily::special_ids(std::size_t text) const {
  const auto found = special.find(text);
  return found == special.end() ? ids.at(text) : found->second;
}

const std::vector<std::string>& golden_texts() {
  return read().texts;
}
const std::map<std::string, GoldenFamily>& golden_families() {
  return read().families;
}

GoldenFamily read_golden_ids(const std::string& name) {
  return ids_of(Json::parse(gunzip(golden(name))));
}

}  // namespace drystill::language::testing
