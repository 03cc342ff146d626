#include "language/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "io/json_file.h"
#include "io/quote.h"
#include "language/tokenizer/byte_alphabet.h"
#include "language/tokenizer/tokenizer_config.h"
#include "language/tokenizer/tokenizer_pipeline.h"

namespace drystill::language {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLargestFile = std::size_t{128} << 20;  // the largest published one has 33 MB
constexpr int kDeepest = 64;
constexpr std::int64_t kMostIds = std::int64_t{1} << 21;

class JsonReader {
 public:
  JsonReader(const Json& json, std::string source) : json_(json) { parts_.source = std::move(source); }

  TokenizerParts read() {
    const auto model = json_.find("model");
    if (model == json_.end() || !model->is_object()) fail("has no 'model'; it is not a tokenizer.json");
    check_model(*model);
    read_added();
    read_vocabulary(model->at("vocab"));
    read_merges(model->at("merges"));
    parts_.ignore_merges = flag(*model, "ignore_merges", "the model");
    read_pipeline(json_, parts_);
    return std::move(parts_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(io::quote(parts_.source) + ": " + what); }

  bool flag(const Json& object, const char* key, const std::string& where) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return false;
    if (!found->is_boolean()) fail(std::string(key) + " of " + where + " is not true or false");
    return found->get<bool>();
  }

  void check_model(const Json& model) const {
    // Old files have no type; only BPE has merges.
    const auto type = model.find("type");
    if (type != model.end() && *type != "BPE") {
      fail("model " + io::quote(type->is_string() ? type->get<std::string>() : type->dump().substr(0, 40)) +
           " is not supported; expected BPE over bytes");
    }
    if (!model.contains("vocab") || !model.at("vocab").is_object()) fail("the model has no object 'vocab'");
    if (!model.contains("merges") || !model.at("merges").is_array()) fail("the model has no list 'merges'");
    if (flag(model, "byte_fallback", "the model")) {
      fail("byte_fallback (SentencePiece) is not supported; expected byte-level BPE");
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix", "dropout"}) {
      const auto found = model.find(key);
      if (found == model.end() || found->is_null() || *found == 0) continue;
      if (found->is_string() && found->get_ref<const std::string&>().empty()) continue;
      fail(std::string(key) + " is not supported; expected none");
    }
  }

  std::int64_t id_of(const Json& value, const std::string& token) const {
    const bool in_range = value.is_number_unsigned() && value.get<std::uint64_t>() < std::uint64_t{kMostIds};
    if (!in_range) {
      fail("token " + io::quote(token) + " has the id " + io::quote(value.dump()) + "; expected a number below " +
           std::to_string(kMostIds));
    }
    return value.get<std::int64_t>();
  }

  void read_added() {
    const auto found = json_.find("added_tokens");
    if (found == json_.end() || found->is_null()) return;
    if (!found->is_array()) fail("'added_tokens' is not a list");
    for (const Json& entry : *found) {
      if (!entry.is_object() || !entry.contains("content") || !entry.at("content").is_string() ||
          !entry.contains("id")) {
        fail("an added token needs a text 'content' and an 'id'");
      }
      AddedToken token;
      token.content = entry.at("content").get<std::string>();
      token.id = id_of(entry.at("id"), token.content);
      const std::string where = "added token " + io::quote(token.content);
      token.special = flag(entry, "special", where);
      token.left_strip = flag(entry, "lstrip", where);
      token.right_strip = flag(entry, "rstrip", where);
      token.single_word = flag(entry, "single_word", where);
      token.normalized = flag(entry, "normalized", where);
      parts_.added.push_back(std::move(token));
    }
  }

  void read_vocabulary(const Json& vocabulary) {
    std::unordered_set<std::string_view> added;
    for (const AddedToken& token : parts_.added) added.insert(token.content);
    for (const auto& [token, value] : vocabulary.items()) {
      const auto id = static_cast<std::size_t>(id_of(value, token));
      if (id >= parts_.tokens.size()) parts_.tokens.resize(id + 1);
      auto bytes = bytes_of_token(token);
      if (added.contains(token)) {
        bytes = token;  // written as it reads, not in the byte-level alphabet
      } else if (!bytes) {
        fail("token " + io::quote(token) + " is not in the byte-level alphabet; expected byte-level BPE");
      }
      if (parts_.tokens[id]) {
        fail("id " + std::to_string(id) + " belongs to " + io::quote(*parts_.tokens[id]) + " and to " +
             io::quote(*bytes) + "; an id has one token");
      }
      parts_.tokens[id] = std::move(*bytes);
    }
  }

  void read_merges(const Json& merges) {
    parts_.merges.reserve(merges.size());
    for (const Json& merge : merges) {
      const auto [left, right] = merge_texts(merge);
      auto left_bytes = bytes_of_token(left), right_bytes = bytes_of_token(right);
      if (!left_bytes || !right_bytes) fail_merge(merge);
      parts_.merges.emplace_back(std::move(*left_bytes), std::move(*right_bytes));
    }
  }

  // "left right", or ["left", "right"] in newer files.
  std::pair<std::string, std::string> merge_texts(const Json& merge) const {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const auto space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        return {text.substr(0, space), text.substr(space + 1)};
      }
    }
    fail_merge(merge);
  }

  [[noreturn]] void fail_merge(const Json& merge) const {
    fail("merge " + std::to_string(parts_.merges.size()) + " " +
         io::quote(merge.dump(-1, ' ', false, Json::error_handler_t::replace)) +
         " is not two byte-level tokens; expected \"left right\" or [\"left\", \"right\"]");
  }

  const Json& json_;
  TokenizerParts parts_;
};

// What add_bos_token or add_eos_token makes of the `place` before or behind a text. Llama's classes go by the flag;
// another class goes by tokenizer.json, which must then do what the flag promises.
void follow_flag(const std::string& key, std::optional<bool> flag, std::optional<std::int64_t> token, bool flag_rules,
                 const std::filesystem::path& folder, std::vector<std::int64_t>& place) {
  if (!flag) return;
  const auto fail = [&](const std::string& what) {
    throw InputError(io::quote((folder / "tokenizer_config.json").string()) + ": " + key + " is true, " + what);
  };
  if (*flag && !token) fail("but it names no such token; set it to false or name the token");
  if (flag_rules) {
    place.clear();
    if (*flag) place.push_back(*token);
  } else if (*flag && std::ranges::find(place, *token) == place.end()) {
    fail("but the post-processor of tokenizer.json does not add that token; make the two files agree");
  }
}

}  // namespace

Tokenizer read_tokenizer_json(const std::filesystem::path& path) {
  const Json json = io::read_json_object(path, {.bytes = kLargestFile, .depth = kDeepest});
  TokenizerParts parts = JsonReader(json, path.string()).read();
  TokenizerConfig config = read_tokenizer_config(path.parent_path());
  parts.chat_template = std::move(config.chat_template);
  const auto find = [&](const std::optional<std::string>& text) -> std::optional<std::int64_t> {
    if (!text) return std::nullopt;
    for (const AddedToken& token : parts.added) {
      if (token.content == *text) return token.id;
    }
    // As the vocabulary spells it: a line break is "Ċ".
    for (std::size_t id = 0; id < parts.tokens.size(); ++id) {
      if (parts.tokens[id] && token_of_bytes(*parts.tokens[id]) == *text) return static_cast<std::int64_t>(id);
    }
    throw InputError(io::quote((path.parent_path() / "tokenizer_config.json").string()) + " names the token " +
                     io::quote(*text) + ", which tokenizer.json lacks; the two files do not belong together");
  };
  parts.bos = find(config.bos_token);
  parts.eos = find(config.eos_token);
  parts.pad = find(config.pad_token);
  const auto folder = path.parent_path();
  follow_flag("add_bos_token", config.add_bos_token, parts.bos, config.flags_rule, folder, parts.prefix);
  follow_flag("add_eos_token", config.add_eos_token, parts.eos, config.flags_rule, folder, parts.suffix);
  return Tokenizer(std::move(parts));
}

}  // namespace drystill::language
