#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "language/models/causal_lm.h"
#include "language/models/causal_lm_folder.h"
#include "language/tokenizer/byte_alphabet.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::testing {

// ChatML in one line, and what every byte-level tokenizer knows at least: the 256 bytes, and three special tokens.
constexpr char kTinyChatTemplate[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// `pairs`: another vocabulary, the bytes backwards and then the words "ab" and "th".
inline void write_tiny_tokenizer(const std::filesystem::path& folder, bool pairs = false) {
  using nlohmann::json;
  std::filesystem::create_directories(folder);
  json vocabulary = json::object(), added = json::array(), merges = json::array();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[language::token_of_bytes(std::string(1, static_cast<char>(byte)))] = pairs ? 255 - byte : byte;
  }
  std::int64_t id = 256;
  if (pairs) {
    for (const char* word : {"ab", "th"}) {
      vocabulary[word] = id++;
      merges.push_back(std::string{word[0], ' ', word[1]});
    }
  }
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", id++},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", byte_level},
                          {"post_processor", byte_level},
                          {"decoder", byte_level},
                          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
  std::ofstream(folder / "tokenizer.json") << tokenizer.dump();
  std::ofstream(folder / "tokenizer_config.json")
      << json({{"bos_token", "<|endoftext|>"}, {"eos_token", "<|im_end|>"}, {"chat_template", kTinyChatTemplate}})
             .dump();
}

inline language::TransformerOptions tiny_transformer(std::int64_t layers = 2) {
  auto options = language::defaults_of(language::Family::kLlama);
  options.vocab_size = 259;
  options.hidden_size = 16;
  options.layers = layers;
  options.heads = 4;
  options.kv_heads = 2;
  options.head_dim = 4;
  options.intermediate_size = 32;
  options.max_positions = 512;
  options.bos_token = 256;
  options.eos_tokens = {258};
  return options;
}

inline std::shared_ptr<language::CausalLm> tiny_language_model(const language::TransformerOptions& options,
                                                               std::uint64_t seed) {
  auto model = std::make_shared<language::CausalLm>(options);
  model->initialise(at::detail::createCPUGenerator(seed));
  const torch::NoGradGuard no_grad;  // far enough from uniform that teacher and student differ
  for (torch::Tensor& parameter : model->parameters()) {
    if (parameter.dim() == 2) parameter.mul_(12);
  }
  return model;
}

inline std::shared_ptr<language::CausalLm> tiny_language_model(std::uint64_t seed, std::int64_t layers = 2,
                                                               std::int64_t more_words = 0) {
  auto options = tiny_transformer(layers);
  options.vocab_size += more_words;
  options.bos_token = *options.bos_token + more_words;
  options.eos_tokens.front() += more_words;
  return tiny_language_model(options, seed);
}

// With rows behind the tokenizer's 259 tokens.
inline std::shared_ptr<language::CausalLm> padded_tiny_language_model(std::uint64_t seed, std::int64_t words) {
  auto options = tiny_transformer();
  options.vocab_size = words;
  return tiny_language_model(options, seed);
}

// A Hugging Face folder with a tiny llama and its byte-level tokenizer; with `pairs` that of another vocabulary.
inline void write_tiny_language_model(const std::filesystem::path& folder, std::uint64_t seed, std::int64_t layers = 2,
                                      bool pairs = false) {
  language::save_causal_lm(folder, *tiny_language_model(seed, layers, pairs ? 2 : 0));
  write_tiny_tokenizer(folder, pairs);
}

}  // namespace drystill::testing
