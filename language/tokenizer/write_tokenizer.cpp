#include "language/tokenizer/write_tokenizer.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "language/tokenizer/gguf_vocabulary.h"
#include "language/tokenizer/split_patterns.h"

namespace drystill::language {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array<const char*, 5> kFiles = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                               "chat_template.jinja", "added_tokens.json"};

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

// {"single": [<s>, A, </s>], ...}: the tokens that texts begin and end with.
json post_processor_of(const GgufVocabulary& vocabulary) {
  const bool begins = vocabulary.bos && adds_bos(vocabulary), ends = vocabulary.eos && vocabulary.add_eos;
  if (!begins && !ends) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  }
  json single = json::array(), special = json::object();
  const auto add = [&](std::int64_t id) {
    const std::string& token = vocabulary.tokens.at(static_cast<std::size_t>(id));
    single.push_back(json::object({{"SpecialToken", {{"id", token}, {"type_id", 0}}}}));
    special[token] = {{"id", token}, {"ids", json::array({id})}, {"tokens", json::array({token})}};
  };
  if (begins) add(*vocabulary.bos);
  single.push_back(json::object({{"Sequence", {{"id", "A"}, {"type_id", 0}}}}));
  if (ends) add(*vocabulary.eos);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", json::array()}, {"special_tokens", special}};
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
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", vocabulary.pre == "qwen2" ? json{{"type", "NFC"}} : json(nullptr)},
          {"pre_tokenizer", pre_tokenizer_of(vocabulary.pre)},
          {"post_processor", post_processor_of(vocabulary)},
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

std::string text_of_file(const fs::path& path) {
  const io::MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

TokenizerFiles tokenizer_files(const fs::path& source) {
  TokenizerFiles files;
  if (source.extension() == ".gguf") {
    const GgufVocabulary vocabulary = read_gguf_vocabulary(io::GgufFile(source));
    tokenizer_from_gguf(vocabulary, source.string());  // refuses what cannot be written either
    files["tokenizer.json"] = tokenizer_json(vocabulary).dump();
    files["tokenizer_config.json"] = tokenizer_config(vocabulary).dump(2);
    return files;
  }
  if (!fs::exists(source / "tokenizer.json")) {
    throw InputError(io::quote(source.string()) + " has no tokenizer.json to copy");
  }
  for (const char* name : kFiles) {
    if (fs::exists(source / name)) files[name] = text_of_file(source / name);
  }
  return files;
}

void write_tokenizer(const TokenizerFiles& files, const fs::path& folder) {
  fs::create_directories(folder);
  for (const char* name : kFiles) {
    const auto file = files.find(name);
    if (file == files.end()) {
      fs::remove(folder / name);  // another tokenizer's would be obeyed
    } else {
      io::write_file(folder / name, file->second);
    }
  }
}

void write_tokenizer(const fs::path& source, const fs::path& folder) {
  if (fs::exists(source) && fs::exists(folder) && fs::equivalent(source, folder)) return;
  write_tokenizer(tokenizer_files(source), folder);
}

}  // namespace drystill::language
