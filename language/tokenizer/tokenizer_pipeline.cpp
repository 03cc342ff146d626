#include "language/tokenizer/tokenizer_pipeline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/quote.h"
#include "language/tokenizer/split_patterns.h"

namespace drystill::language {
namespace {

using Json = nlohmann::json;

class PipelineReader {
 public:
  PipelineReader(const Json& tokenizer, TokenizerParts& parts) : tokenizer_(tokenizer), parts_(parts) {}

  void read() {
    for (const Json* step : steps("normalizer", "normalizers")) {
      if (type_of(*step) != "NFC") refuse("normaliser", type_of(*step), "NFC or none");
      parts_.nfc = true;
    }
    read_pre_tokenizer();
    for (const Json* step : steps("post_processor", "processors")) {
      if (type_of(*step) == "TemplateProcessing") {
        read_template(*step);
      } else if (type_of(*step) != "ByteLevel") {  // which only moves offsets
        refuse("post-processor", type_of(*step), "TemplateProcessing or ByteLevel");
      }
    }
    for (const Json* step : steps("decoder", "decoders")) {
      if (type_of(*step) != "ByteLevel") refuse("decoder", type_of(*step), "ByteLevel");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(io::quote(parts_.source) + ": " + what); }

  [[noreturn]] void refuse(const std::string& kind, const std::string& name, const std::string& expected) const {
    fail(kind + " " + io::quote(name) + " is not supported; expected " + expected);
  }

  static std::string type_of(const Json& step) {
    const auto type = step.is_object() ? step.find("type") : step.end();
    return type != step.end() && type->is_string() ? type->get<std::string>() : "without a type";
  }

  // The steps of a stage, its Sequences unfolded into their `members`; none where the stage is missing or null.
  std::vector<const Json*> steps(const char* stage, const char* members) const {
    std::vector<const Json*> found;
    const auto value = tokenizer_.find(stage);
    if (value != tokenizer_.end() && !value->is_null()) unfold(*value, members, found);
    return found;
  }

  void unfold(const Json& step, const char* members, std::vector<const Json*>& found) const {
    if (type_of(step) != "Sequence") return found.push_back(&step);
    const auto list = step.find(members);
    if (list == step.end() || !list->is_array()) fail(std::string("a Sequence has no list '") + members + "'");
    for (const Json& member : *list) unfold(member, members, found);  // the file's depth is bounded
  }

  bool flag(const Json& step, const char* key, bool missing) const {
    const auto found = step.find(key);
    if (found == step.end() || found->is_null()) return missing;
    if (!found->is_boolean()) fail(std::string(key) + " of the " + type_of(step) + " step is not true or false");
    return found->get<bool>();
  }

  void read_pre_tokenizer() {
    const auto found = steps("pre_tokenizer", "pretokenizers");
    std::string name;
    for (const Json* step : found) name += (name.empty() ? "" : " + ") + type_of(*step);
    if (name != "ByteLevel" && name != "Digits + ByteLevel" && name != "Split + ByteLevel") {
      refuse("pre-tokenizer", name.empty() ? "none" : name,
             "ByteLevel (GPT-2), Digits + ByteLevel (SmolLM2) or Split + ByteLevel (Llama 3, Qwen2)");
    }
    if (flag(*found.back(), "add_prefix_space", true)) {
      refuse("pre-tokenizer option", "add_prefix_space", "it to be false");
    }
    const bool splits = name == "Split + ByteLevel";
    if (flag(*found.back(), "use_regex", true) == splits) {
      refuse("pre-tokenizer " + name, "use_regex", splits ? "it to be false behind Split" : "it to be true");
    }
    if (splits) {
      read_split(*found.front());
    } else if (found.size() == 2) {
      if (!flag(*found.front(), "individual_digits", false)) {
        refuse("pre-tokenizer", "Digits", "individual_digits to be true");
      }
      parts_.pre_tokenizer = PreTokenizer::kSmolLm2;
    } else {
      parts_.pre_tokenizer = PreTokenizer::kGpt2;
    }
  }

  void read_split(const Json& split) {
    if (split.value("behavior", Json()) != "Isolated" || flag(split, "invert", false)) {
      refuse("pre-tokenizer", "Split", "behavior Isolated, not inverted");
    }
    const Json pattern = split.value("pattern", Json::object());
    const Json regex = pattern.is_object() ? pattern.value("Regex", Json()) : Json();
    if (regex == kGpt2Pattern) {
      parts_.pre_tokenizer = PreTokenizer::kGpt2;
    } else if (regex == kLlama3Pattern) {
      parts_.pre_tokenizer = PreTokenizer::kLlama3;
    } else if (regex == kQwen2Pattern) {
      parts_.pre_tokenizer = PreTokenizer::kQwen2;
    } else {
      refuse("pre-tokenizer pattern", regex.is_string() ? regex.get<std::string>() : pattern.dump(),
             "the regular expression of GPT-2, Llama 3 or Qwen2");
    }
  }

  // single: [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, ...]; special_tokens: {"<s>": {"ids": [1]}}
  // A later step puts its tokens around those of an earlier one.
  void read_template(const Json& processor) {
    std::vector<std::int64_t> before, behind;
    int texts = 0;
    const Json single = processor.value("single", Json());
    if (!single.is_array()) fail("TemplateProcessing has no list 'single'");
    for (const Json& piece : single) {
      if (piece.is_object() && piece.contains("Sequence")) {
        const Json& sequence = piece.at("Sequence");
        if (!sequence.is_object() || sequence.value("id", Json()) != "A" || ++texts > 1) refuse_sequences();
      } else if (piece.is_object() && piece.contains("SpecialToken")) {
        const auto ids = template_ids(processor, piece.at("SpecialToken"));
        auto& place = texts == 0 ? before : behind;
        place.insert(place.end(), ids.begin(), ids.end());
      } else {
        fail("TemplateProcessing has a piece that is neither a Sequence nor a SpecialToken");
      }
    }
    if (texts != 1) refuse_sequences();
    parts_.prefix.insert(parts_.prefix.begin(), before.begin(), before.end());
    parts_.suffix.insert(parts_.suffix.end(), behind.begin(), behind.end());
  }

  [[noreturn]] void refuse_sequences() const {
    fail("TemplateProcessing's 'single' does not hold the text just once; expected one Sequence, 'A'");
  }

  std::vector<std::int64_t> template_ids(const Json& processor, const Json& piece) const {
    const Json name = piece.is_object() ? piece.value("id", Json()) : Json();
    const Json tokens = processor.value("special_tokens", Json::object());
    if (name.is_string() && tokens.is_object() && tokens.contains(name.get<std::string>())) {
      const Json& token = tokens.at(name.get<std::string>());
      const Json ids = token.is_object() ? token.value("ids", Json()) : Json();
      if (ids.is_array() && std::ranges::all_of(ids, [](const Json& id) { return id.is_number_integer(); })) {
        return ids.get<std::vector<std::int64_t>>();
      }
    }
    fail("TemplateProcessing names the token " + io::quote(name.dump()) + " without listing its ids");
  }

  const Json& tokenizer_;
  TokenizerParts& parts_;
};

}  // namespace

void read_pipeline(const Json& tokenizer, TokenizerParts& parts) {
  PipelineReader(tokenizer, parts).read();
}

}  // namespace drystill::language
