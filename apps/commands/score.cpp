// drystill score: log-probabilities that a language model gives to the tokens of texts.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "apps/language_arguments.h"
#include "apps/text_lines.h"
#include "core/error.h"
#include "core/placed_error.h"
#include "core/stop_request.h"
#include "io/quote.h"
#include "language/tokenizer/load_tokenizer.h"

namespace drystill::apps {
namespace {

struct ScoreArguments {
  LanguageModelArguments model;
  std::string text_file;
  std::string ids_file;
};

// {"ids": [1, 2, 3]}
std::vector<std::int64_t> ids_of_line(const std::string& line, const std::string& place) {
  const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("ids") || !parsed["ids"].is_array()) {
    throw InputError(place + R"(: expected one {"ids": [...]} a line, got )" +
                     (line.empty() ? "an empty line" : io::quote(line)));
  }
  std::vector<std::int64_t> ids;
  for (const auto& id : parsed["ids"]) {
    const bool fits = id.is_number_unsigned() ? id.get<std::uint64_t>() <= INT64_MAX : id.is_number_integer();
    if (!fits) throw InputError(place + ": expected token ids, got " + id.dump());
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::vector<float> scores_of(const LoadedEngine& loaded, const std::vector<std::int64_t>& ids,
                             const std::string& place) {
  if (ids.empty()) return {};
  return with_place(place, [&] { return loaded.engine.token_log_probs(ids, loaded.before()); });
}

// Tokens, and the line they come from.
struct PlacedIds {
  std::vector<std::int64_t> ids;
  std::string place;
};

void print_scores(const LoadedEngine& loaded, const PlacedIds& line, const Console& console) {
  if (const int signal = stop_requested()) throw Interrupted(signal);
  const std::vector<float> log_probs = scores_of(loaded, line.ids, line.place);
  if (console.json) {
    console.print(nlohmann::ordered_json{{"ids", line.ids}, {"log_probabilities", log_probs}}.dump());
    return;
  }
  const double sum = std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
  const double mean = log_probs.empty() ? 0 : -sum / static_cast<double>(log_probs.size());
  console.print(fmt::format("{}  tokens {}  log-probability {:.4f}  perplexity {:.4f}", line.place, line.ids.size(),
                            sum, std::exp(mean)));
}

void score_texts(const ScoreArguments& arguments, const Console& console) {
  TextLines lines(arguments.text_file);
  const language::Tokenizer tokenizer = language::load_tokenizer(arguments.model.model);
  const LoadedEngine loaded = load_engine(arguments.model);
  std::string line;
  while (lines.next(line)) {
    print_scores(loaded, {tokenizer.encode(line, {.add_special = true}), lines.place()}, console);
  }
}

// Reads the whole file first: a damaged line is found before anything is printed.
void score_ids(const ScoreArguments& arguments, const Console& console) {
  TextLines lines(arguments.ids_file);
  std::vector<PlacedIds> all;
  std::string line;
  while (lines.next(line)) all.push_back({ids_of_line(line, lines.place()), lines.place()});
  const LoadedEngine loaded = load_engine(arguments.model);
  for (const PlacedIds& ids : all) print_scores(loaded, ids, console);
}

void score(const ScoreArguments& arguments, const Console& console) {
  if (arguments.text_file.empty() == arguments.ids_file.empty()) {
    throw ConfigError("score: expected one of --text FILE and --ids FILE");
  }
  if (arguments.ids_file.empty()) {
    score_texts(arguments, console);
  } else {
    score_ids(arguments, console);
  }
}

}  // namespace

void add_score(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* verb = app.add_subcommand("score", "log-probabilities a language model gives to each token of texts");
  add_language_model_arguments(*verb, arguments->model);
  verb->add_option(
      "--text", arguments->text_file,
      "file with a text a line; - is standard input. The tokenizer's own special tokens (BOS) are always put "
      "around each line");
  verb->add_option("--ids", arguments->ids_file,
                   R"(file with one {"ids": [...]} a line, scored as they are; - is standard input)");
  set_examples(*verb, {"score MODEL --text poems.txt", "score MODEL --ids tokens.jsonl --json"});
  verb->callback([arguments, &console] { score(*arguments, console); });
}

}  // namespace drystill::apps
