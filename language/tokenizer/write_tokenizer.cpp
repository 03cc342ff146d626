#include "language/tokenizer/write_tokenizer.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/quote.h"
#include "language/tokenizer/gguf_vocabulary.h"
#include "language/tokenizer/split_patterns.h"

namespace drystill::language {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array<const char*, 2> kMainFiles = {"tokenizer.json", "tokenizer_config.json"};
constexpr std::array<const char*, 3> kFilesBeside = {"special_tokens_map.json", "chat_template.jinja",
                                                     "added_tokens.json"};

const json kByteLevel = {
    {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};

json split(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

// The published files of each family have these; research: llama.cpp src/llama-vocab.cpp, and the files themselves.
json pre_tokenizer_of(const std::string& pre) {
  json after_split = kByteLevel;
  after_split["use_regex"] = false;
  if (pre == "smollm") {
    return {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, kByteLevel}}};
  }
  if (pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3") {
    return {{"type", "Sequence"}, {"pretokenizers", {split(kLlama3Pattern), after_split}}};
  }
  if (pre == "qwen2") {
    return {{"type", "Sequence"}, {"pretokenizers", {split(kQwen2Pattern), after_split}}};
  }
  return kByteLevel;
}

json tokenizer_json(const GgufVocabulary& vocabulary) {
  json tokens = json::object(), added = json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::int32_t type = vocabulary.token_types.empty() ? 1 : vocabulary.token_types[id];
    if (type == 5) continue;  // unused: padding of the embedding
    tokens[vocabulary.tokens[id]] = id;
    if (type == 1) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != 4}});
  }
  const bool llama3 = vocabulary.pre.starts_with("llama");
  json post = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  if (vocabulary.bos && adds_bos(vocabulary)) {
    const std::string& bos = vocabulary.tokens.at(static_cast<std::size_t>(*vocabulary.bos));
    post = {
        {"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"pair", json::array()},
        {"special_tokens", {{bos, {{"id", bos}, {"ids", {*vocabulary.bos}}, {"tokens", {bos}}}}}}};
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", vocabulary.pre == "qwen2" ? json{{"type", "NFC"}} : json(nullptr)},
          {"pre_tokenizer", pre_tokenizer_of(vocabulary.pre)},
          {"post_processor", post},
          {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", llama3},
            {"vocab", tokens},
            {"merges", vocabulary.merges}}}};
}

json tokenizer_config(const GgufVocabulary& vocabulary) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, const std::optional<std::int64_t>& id) {
    if (id && *id >= 0 && *id < std::ssize(vocabulary.tokens))
      config[key] = vocabulary.tokens[static_cast<std::size_t>(*id)];
  };
  name("bos_token", vocabulary.bos);
  name("eos_token", vocabulary.eos);
  name("pad_token", vocabulary.pad);
  if (vocabulary.chat_template) config["chat_template"] = *vocabulary.chat_template;
  return config;
}

// Removes `to` where there is no `from`: another tokenizer's file would be obeyed.
void replace_file(const fs::path& from, const fs::path& to) {
  if (fs::exists(from)) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
  } else {
    fs::remove(to);
  }
}

}  // namespace

void write_tokenizer(const fs::path& source, const fs::path& folder) {
  fs::create_directories(folder);
  if (source.extension() == ".gguf") {
    const GgufVocabulary vocabulary = read_gguf_vocabulary(io::GgufFile(source));
    tokenizer_from_gguf(vocabulary, source.string());  // refuses what cannot be written either
    io::write_file(folder / "tokenizer.json", tokenizer_json(vocabulary).dump());
    io::write_file(folder / "tokenizer_config.json", tokenizer_config(vocabulary).dump(2));
    for (const char* file : kFilesBeside) fs::remove(folder / file);
    return;
  }
  if (!fs::exists(source / "tokenizer.json")) {
    throw InputError(io::quote(source.string()) + " has no tokenizer.json to copy");
  }
  if (fs::equivalent(source, folder)) return;
  for (const char* file : kMainFiles) replace_file(source / file, folder / file);
  for (const char* file : kFilesBeside) replace_file(source / file, folder / file);
}

}  // namespace drystill::language
