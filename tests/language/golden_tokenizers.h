#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language::testing {

// One family of tests/golden/language/tokenizers.json.gz (tools/make_golden_tokenizer.py).
struct GoldenFamily {
  std::string tokenizer_json, config_json;
  std::vector<std::vector<std::int64_t>> ids;                // of every text, special tokens as ordinary text
  std::map<std::size_t, std::vector<std::int64_t>> special;  // where special tokens count, if that differs
  std::vector<std::int64_t> hello;                           // "Hello, teacher" with the post-processor
  std::string decoded;                                       // of the ids 0, 3, 6, ...

  // Writes the files into a temporary folder and reads them.
  Tokenizer load() const;
  const std::vector<std::int64_t>& special_ids(std::size_t text) const;
};

// Read once. Fails the test, with a message, where the file is missing.
const std::vector<std::string>& golden_texts();
const std::map<std::string, GoldenFamily>& golden_families();

// The ids of golden_texts() by another vocabulary: ids and special only.
GoldenFamily read_golden_ids(const std::string& name);

std::string gunzip(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace drystill::language::testing
