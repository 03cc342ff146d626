#include "language/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/utf8.h"
#include "io/quote.h"
#include "language/tokenizer/byte_alphabet.h"

namespace drystill::language {
namespace {

// llama.cpp, include/llama.h, enum llama_token_type.
enum TokenType : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

[[noreturn]] void fail_gguf(const std::string& source, const std::string& what) {
  throw InputError(io::quote(source) + ": " + what);
}

// Nothing for a name that is not known.
std::optional<PreTokenizer> pre_tokenizer_named(std::string_view pre) {
  static constexpr std::array<std::pair<std::string_view, PreTokenizer>, 7> kNames = {
      {{"gpt-2", PreTokenizer::kGpt2},
       {"gpt2", PreTokenizer::kGpt2},
       {"smollm", PreTokenizer::kSmolLm2},
       {"llama-bpe", PreTokenizer::kLlama3},
       {"llama3", PreTokenizer::kLlama3},
       {"llama-v3", PreTokenizer::kLlama3},
       {"qwen2", PreTokenizer::kQwen2}}};
  for (const auto& [name, kind] : kNames) {
    if (pre == name) return kind;
  }
  return std::nullopt;
}

void choose_pre_tokenizer(const GgufVocabulary& vocabulary, TokenizerParts& parts) {
  const auto kind = pre_tokenizer_named(vocabulary.pre);
  if (!kind) {
    fail_gguf(parts.source, "pre-tokenizer (tokenizer.ggml.pre) " + io::quote(vocabulary.pre) +
                                " is not supported; expected gpt-2, smollm, llama-bpe or qwen2");
  }
  parts.pre_tokenizer = *kind;
  parts.ignore_merges = *kind == PreTokenizer::kLlama3;
  parts.nfc = *kind == PreTokenizer::kQwen2;
}

void add_token(const GgufVocabulary& vocabulary, std::size_t id, TokenizerParts& parts) {
  const std::string& token = vocabulary.tokens[id];
  const std::int32_t type = vocabulary.token_types.empty() ? kNormal : vocabulary.token_types[id];
  parts.tokens.emplace_back();
  if (type == kUnused) return;
  if (type == kControl || type == kUnknown || type == kUserDefined) {
    parts.added.push_back({.content = token, .id = static_cast<std::int64_t>(id), .special = type != kUserDefined});
    return;
  }
  if (type != kNormal) {
    fail_gguf(parts.source,
              "token " + std::to_string(id) + " has the unknown type " + std::to_string(type) + "; expected 1 to 5");
  }
  parts.tokens.back() = bytes_of_token(token);
  if (!parts.tokens.back()) {
    fail_gguf(parts.source, "token " + std::to_string(id) + " " + io::quote(token) +
                                " is not in the byte-level alphabet; the vocabulary is of another kind or damaged");
  }
}

void add_merge(const GgufVocabulary& vocabulary, std::size_t rank, TokenizerParts& parts) {
  const std::string& merge = vocabulary.merges[rank];
  const auto space = merge.find(' ');
  if (space != std::string::npos) {
    auto left = bytes_of_token(std::string_view(merge).substr(0, space));
    auto right = bytes_of_token(std::string_view(merge).substr(space + 1));
    if (left && right) {
      parts.merges.emplace_back(std::move(*left), std::move(*right));
      return;
    }
  }
  fail_gguf(parts.source, "merge " + std::to_string(rank) + " " + io::quote(merge) +
                              " is not two byte-level tokens with a space between");
}

// A folder's JSON files could not hold other texts.
void require_utf8(const GgufVocabulary& vocabulary, const std::string& source) {
  const auto check = [&](const std::string& key, const std::string& text) {
    if (!is_valid_utf8(text)) {
      fail_gguf(source,
                key + " holds " + io::quote(text) + ", which is no UTF-8; the file may be damaged: fetch it again");
    }
  };
  for (const std::string& token : vocabulary.tokens) check("tokenizer.ggml.tokens", token);
  for (const std::string& merge : vocabulary.merges) check("tokenizer.ggml.merges", merge);
  if (vocabulary.chat_template) check("tokenizer.chat_template", *vocabulary.chat_template);
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const io::GgufFile& file) {
  GgufVocabulary vocabulary;
  vocabulary.model = file.text("tokenizer.ggml.model").value_or("");
  vocabulary.pre = file.text("tokenizer.ggml.pre").value_or("");
  if (const auto* tokens = file.texts("tokenizer.ggml.tokens")) vocabulary.tokens = *tokens;
  if (const auto* merges = file.texts("tokenizer.ggml.merges")) vocabulary.merges = *merges;
  if (const auto types = file.integers("tokenizer.ggml.token_type")) {
    for (const std::int64_t type : *types) {
      if (type < 0 || type > std::numeric_limits<std::int32_t>::max()) {
        throw InputError(file.source() + ": tokenizer.ggml.token_type holds " + std::to_string(type));
      }
      vocabulary.token_types.push_back(static_cast<std::int32_t>(type));
    }
  }
  vocabulary.bos = file.integer("tokenizer.ggml.bos_token_id");
  vocabulary.eos = file.integer("tokenizer.ggml.eos_token_id");
  vocabulary.pad = file.integer("tokenizer.ggml.padding_token_id");
  vocabulary.chat_template = file.text("tokenizer.chat_template");
  vocabulary.add_bos = file.flag("tokenizer.ggml.add_bos_token");
  vocabulary.add_eos = file.flag("tokenizer.ggml.add_eos_token").value_or(false);
  require_utf8(vocabulary, file.source());
  return vocabulary;
}

bool adds_bos(const GgufVocabulary& vocabulary) {
  // Llama 3 files may leave the flag out: llama.cpp begins their texts with the token all the same (llama-vocab.cpp).
  const bool llama3 = pre_tokenizer_named(vocabulary.pre) == PreTokenizer::kLlama3;
  return vocabulary.add_bos.value_or(llama3 && vocabulary.bos.has_value());
}

Tokenizer tokenizer_from_gguf(const GgufVocabulary& vocabulary, const std::string& source) {
  TokenizerParts parts;
  parts.source = source;
  if (vocabulary.model != "gpt2") {
    fail_gguf(source, "tokenizer model (tokenizer.ggml.model) " + io::quote(vocabulary.model) +
                          " is not supported; expected gpt2, which is byte-level BPE");
  }
  choose_pre_tokenizer(vocabulary, parts);
  if (!vocabulary.token_types.empty() && vocabulary.token_types.size() != vocabulary.tokens.size()) {
    fail_gguf(source, std::to_string(vocabulary.tokens.size()) + " tokens but " +
                          std::to_string(vocabulary.token_types.size()) + " token types");
  }
  parts.tokens.reserve(vocabulary.tokens.size());
  parts.merges.reserve(vocabulary.merges.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) add_token(vocabulary, id, parts);
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) add_merge(vocabulary, rank, parts);
  parts.bos = vocabulary.bos;
  parts.eos = vocabulary.eos;
  parts.pad = vocabulary.pad;
  parts.chat_template = vocabulary.chat_template;
  if (adds_bos(vocabulary)) {
    if (!vocabulary.bos) fail_gguf(source, "add_bos_token is set, but there is no bos_token_id");
    parts.prefix = {*vocabulary.bos};
  }
  if (vocabulary.add_eos) {
    if (!vocabulary.eos) fail_gguf(source, "add_eos_token is set, but there is no eos_token_id");
    parts.suffix = {*vocabulary.eos};
  }
  return Tokenizer(std::move(parts));
}

}  // namespace drystill::language
