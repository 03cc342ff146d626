// drystill score: log-probabilities that a language model gives to the tokens of texts.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/language_arguments.h"
#include "core/error.h"
#include "core/stop_request.h"
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
    throw InputError(place + R"(: expected one {"ids": [...]} a line)");
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
  try {
    return loaded.engine.token_log_probs(ids, loaded.before());
  } catch (const InputError& error) {
    throw InputError(place + ": " + error.what());
  }
}

void score(const ScoreArguments& arguments, const Console& console) {
  if (arguments.text_file.empty() == arguments.ids_file.empty()) {
    throw ConfigError("score: expected one of --text FILE and --ids FILE");
  }
  const std::string& path = arguments.text_file.empty() ? arguments.ids_file : arguments.text_file;
  std::ifstream file(path);
  if (!file) throw InputError(path + ": cannot be read");
  std::optional<language::Tokenizer> tokenizer;
  if (!arguments.text_file.empty()) tokenizer = language::load_tokenizer(arguments.model.model);
  const LoadedEngine loaded = load_engine(arguments.model);

  std::string line;
  for (std::int64_t number = 1; std::getline(file, line); ++number) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const std::string place = path + ":" + std::to_string(number);
    const auto ids = tokenizer ? tokenizer->encode(line, {.add_special = true}) : ids_of_line(line, place);
    const std::vector<float> log_probs = scores_of(loaded, ids, place);
    if (console.json) {
      console.print(nlohmann::ordered_json{{"ids", ids}, {"log_probabilities", log_probs}}.dump());
    } else {
      const double sum = std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
      const double mean = log_probs.empty() ? 0 : -sum / static_cast<double>(log_probs.size());
      console.print(fmt::format("{}  tokens {}  log-probability {:.4f}  perplexity {:.4f}", place, ids.size(), sum,
                                std::exp(mean)));
    }
  }
}

}  // namespace

void add_score(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* verb = app.add_subcommand("score", "log-probabilities a language model gives to each token of texts");
  add_language_model_arguments(*verb, arguments->model);
  verb->add_option("--text", arguments->text_file, "file with a text a line");
  verb->add_option("--ids", arguments->ids_file, R"(file with one {"ids": [...]} a line)");
  verb->callback([arguments, &console] { score(*arguments, console); });
}

}  // namespace drystill::apps
