#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "language/tokenizer/added_tokens.h"
#include "language/tokenizer/pre_tokenizer.h"

namespace drystill::language {

// Everything a Tokenizer is made of. Readers of files fill it in; the Tokenizer checks it.
struct TokenizerParts {
  std::string source;  // where it came from, for error messages
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;
  bool nfc = false;            // text is normalised to NFC first
  bool ignore_merges = false;  // a word that is a token is taken whole, whatever the merges say (Llama 3)
  // Ordinary tokens by id, as bytes; nullopt where an id has none (holes, padding, added tokens).
  std::vector<std::optional<std::string>> tokens;
  std::vector<std::pair<std::string, std::string>> merges;  // as bytes, by rank
  std::vector<AddedToken> added;                            // an id of an ordinary token overrides that token
  std::vector<std::int64_t> prefix, suffix;                 // what the post-processor puts around a text
  std::optional<std::int64_t> bos, eos, pad;
  std::optional<std::string> chat_template;  // Jinja
};

struct EncodeOptions {
  bool allow_special = false;  // special tokens in the text become their ids; otherwise they are ordinary text
  bool add_special = false;    // with the post-processor's tokens around it (Llama 3: BOS first)
};

// A byte-level BPE tokenizer. It does not change after construction; copies share their data, and any number of threads
// may use it.
//
// Text that is no UTF-8 counts as its valid_utf8(): `tokenizers`, whose ids these are, knows no other text.
class Tokenizer {
 public:
  // InputError where the parts do not fit together (a merge of unknown tokens, an id used twice, ...).
  explicit Tokenizer(TokenizerParts parts);

  std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // The parts as one text, of which only those with `allow_special` may hold special tokens: a chat's markers around
  // what a user wrote.
  struct Part {
    std::string_view text;
    bool allow_special = false;
  };
  std::vector<std::int64_t> encode_parts(std::span<const Part> parts, bool add_special = false) const;

  // Always valid UTF-8: bytes that form no character become U+FFFD. Ids without a token decode to nothing, as in
  // `tokenizers`: models pad their vocabularies.
  std::string decode(std::span<const std::int64_t> ids, bool skip_special = false) const;

  // The bytes of a token (any bytes, not always UTF-8); empty where `id` has none.
  std::string_view token_bytes(std::int64_t id) const;
  bool has_token(std::int64_t id) const;
  bool is_special(std::int64_t id) const;

  // The id of a token by its bytes ("<|im_end|>", " the").
  std::optional<std::int64_t> id_of(std::string_view token) const;

  // One more than the largest id: the rows that an embedding needs at least.
  std::int64_t vocab_size() const;

  std::optional<std::int64_t> bos() const;
  std::optional<std::int64_t> eos() const;
  std::optional<std::int64_t> pad() const;
  const std::optional<std::string>& chat_template() const;  // Jinja text
  const std::string& source() const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

// Where two vocabularies differ first.
struct VocabularyDifference {
  std::int64_t id = 0;
  std::optional<std::string> a, b;  // the token's bytes; nullopt where there is no such token

  // "id 7 is 'x' in the first and 'y' in the second"
  std::string message() const;
};

// Compares by token bytes, id by id. Padding (ids without a token) does not count: the vocabularies of two models of
// one family are equal although their embeddings differ in size.
std::optional<VocabularyDifference> vocabulary_difference(const Tokenizer& a, const Tokenizer& b);
bool same_vocabulary(const Tokenizer& a, const Tokenizer& b);

// A checksum of every id's bytes: equal for the same vocabularies, padding not counted, and for files to remember.
std::string vocabulary_fingerprint(const Tokenizer& tokenizer);

}  // namespace drystill::language
