// drystill tokenize: text into token ids, one line of text at a time.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "apps/text_lines.h"
#include "core/utf8.h"
#include "io/quote.h"
#include "language/tokenizer/load_tokenizer.h"

namespace drystill::apps {
namespace {

struct TokenizeArguments {
  std::string model, text;
  bool special = false;
};

// A token in quotes; where it is a piece of a character, its bytes.
std::string shown(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return io::quote(bytes);
  std::string text = "'";
  for (const char c : bytes) {
    constexpr char kHex[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    text += {'\\', 'x', kHex[byte / 16], kHex[byte % 16]};
  }
  return text + "'";
}

// "464 'The'  4701 ' teacher'"
std::string pieces_text(const language::Tokenizer& tokenizer, const std::vector<std::int64_t>& ids) {
  std::string text;
  for (const auto id : ids) {
    text += (text.empty() ? "" : "  ") + std::to_string(id) + " " + shown(tokenizer.token_bytes(id));
  }
  return text;
}

void tokenize(const TokenizeArguments& arguments, const Console& console) {
  TextLines lines(arguments.text);
  const language::Tokenizer tokenizer = language::load_tokenizer(arguments.model);
  const language::EncodeOptions options{.allow_special = arguments.special, .add_special = arguments.special};
  std::string line;
  while (lines.next(line)) {
    const auto ids = tokenizer.encode(line, options);
    const std::string text = console.json ? nlohmann::json{{"ids", ids}}.dump() : pieces_text(tokenizer, ids);
    console.print(text);
  }
}

}  // namespace

void add_tokenize(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<TokenizeArguments>();
  CLI::App* verb = app.add_subcommand("tokenize", "token ids of each line of a text, by a language model's tokenizer");
  verb->add_option("model", arguments->model, "Hugging Face folder, its tokenizer.json, or .gguf file")->required();
  verb->add_option("--text", arguments->text, "text file; - is standard input")->required();
  verb->add_flag("--special", arguments->special,
                 "special tokens in the text become their ids, and the tokenizer's own (BOS) are put around each line "
                 "(left out without this flag; `score` always puts them)");
  set_examples(*verb, {"tokenize MODEL --text poems.txt --json", "tokenize MODEL --special --text - < prompt.txt"});
  verb->callback([arguments, &console] { tokenize(*arguments, console); });
}

}  // namespace drystill::apps
