#include "language/tokenizer/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"
#include "io/checksum.h"
#include "io/quote.h"
#include "language/tokenizer/encode_text.h"
#include "language/tokenizer/tokenizer_tables.h"

namespace drystill::language {

struct Tokenizer::Data {
  std::string source;
  TokenizerTables tables;
  std::vector<std::int64_t> prefix, suffix;
  std::optional<std::int64_t> bos, eos, pad;
  std::optional<std::string> chat_template;
};

Tokenizer::Tokenizer(TokenizerParts parts) {
  const auto check_id = [&](const char* name, std::int64_t id, const TokenizerTables& tables) {
    if (tables.has_token(id)) return;
    throw InputError(io::quote(parts.source) + ": the " + name + " id " + std::to_string(id) +
                     " has no token; expected an id below " + std::to_string(tables.tokens.size()));
  };
  TokenizerTables tables = make_tables(parts);
  for (const auto id : parts.prefix) check_id("post-processor's", id, tables);
  for (const auto id : parts.suffix) check_id("post-processor's", id, tables);
  if (parts.bos) check_id("beginning-of-text", *parts.bos, tables);
  if (parts.eos) check_id("end-of-text", *parts.eos, tables);
  if (parts.pad) check_id("padding", *parts.pad, tables);
  data_ = std::make_shared<const Data>(Data{std::move(parts.source), std::move(tables), std::move(parts.prefix),
                                            std::move(parts.suffix), parts.bos, parts.eos, parts.pad,
                                            std::move(parts.chat_template)});
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const Part part{text, options.allow_special};
  return encode_parts({&part, 1}, options.add_special);
}

std::vector<std::int64_t> Tokenizer::encode_parts(std::span<const Part> parts, bool add_special) const {
  std::vector<std::int64_t> ids;
  if (add_special) ids = data_->prefix;
  std::string text;
  SpecialRanges allowed;
  for (const Part& part : parts) {
    const std::size_t begin = text.size();
    text += is_valid_utf8(part.text) ? std::string(part.text) : valid_utf8(part.text);
    if (part.allow_special) allowed.add(begin, text.size());
  }
  encode_text(data_->tables, text, allowed, ids);
  if (add_special) ids.insert(ids.end(), data_->suffix.begin(), data_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids, bool skip_special) const {
  std::string bytes;
  for (const std::int64_t id : ids) {
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  }
  return is_valid_utf8(bytes) ? bytes : valid_utf8(bytes);
}

std::string_view Tokenizer::token_bytes(std::int64_t id) const {
  return has_token(id) ? std::string_view(*data_->tables.tokens[static_cast<std::size_t>(id)]) : std::string_view();
}

bool Tokenizer::has_token(std::int64_t id) const {
  return data_->tables.has_token(id);
}

bool Tokenizer::is_special(std::int64_t id) const {
  return data_->tables.special.contains(id);
}

std::optional<std::int64_t> Tokenizer::id_of(std::string_view token) const {
  const auto& tables = data_->tables;
  if (const auto added = tables.added_ids.find(std::string(token)); added != tables.added_ids.end()) {
    return added->second;
  }
  const auto found = tables.ids.find(token);
  return found == tables.ids.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

std::int64_t Tokenizer::vocab_size() const {
  return static_cast<std::int64_t>(data_->tables.tokens.size());
}
std::optional<std::int64_t> Tokenizer::bos() const {
  return data_->bos;
}
std::optional<std::int64_t> Tokenizer::eos() const {
  return data_->eos;
}
std::optional<std::int64_t> Tokenizer::pad() const {
  return data_->pad;
}
const std::optional<std::string>& Tokenizer::chat_template() const {
  return data_->chat_template;
}
const std::string& Tokenizer::source() const {
  return data_->source;
}

std::string VocabularyDifference::message() const {
  const auto name = [](const std::optional<std::string>& token) { return token ? io::quote(*token) : "no token"; };
  return "id " + std::to_string(id) + " is " + name(a) + " in the first and " + name(b) + " in the second";
}

std::optional<VocabularyDifference> vocabulary_difference(const Tokenizer& a, const Tokenizer& b) {
  const auto token = [](const Tokenizer& tokenizer, std::int64_t id) {
    return tokenizer.has_token(id) ? std::optional<std::string>(tokenizer.token_bytes(id)) : std::nullopt;
  };
  for (std::int64_t id = 0; id < std::max(a.vocab_size(), b.vocab_size()); ++id) {
    if (a.has_token(id) == b.has_token(id) && a.token_bytes(id) == b.token_bytes(id)) continue;
    return VocabularyDifference{id, token(a, id), token(b, id)};
  }
  return std::nullopt;
}

std::string vocabulary_fingerprint(const Tokenizer& tokenizer) {
  io::Checksum sum;
  for (std::int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    sum.add(tokenizer.has_token(id) ? std::to_string(bytes.size()) + ':' : std::string("-"));
    sum.add(bytes);
  }
  return sum.text();
}

bool same_vocabulary(const Tokenizer& a, const Tokenizer& b) {
  return !vocabulary_difference(a, b).has_value();
}

}  // namespace drystill::language
