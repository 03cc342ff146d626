// drystill prune: which layers of a language model a smaller one should keep, found on text that the model writes
// itself.
#include <ATen/Functions.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "apps/language_arguments.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/threads.h"
#include "language/load_language_model.h"
#include "language/models/layer_search.h"
#include "language/models/layer_subset.h"
#include "language/sampling/generate.h"
#include "language/views/prompt_encoder.h"

namespace drystill::apps {
namespace {

struct PruneArguments {
  std::string model;
  std::string out;
  std::int64_t keep = 0;
  std::int64_t texts = 8;
  std::int64_t tokens = 40;
  std::int64_t seed = 0;
  std::int64_t threads = 0;
};

// [texts, tokens]: what the model writes behind one random token each.
torch::Tensor written_by(const language::LanguageModel& loaded, const PruneArguments& arguments) {
  const auto ordinary = language::PromptEncoder(loaded.tokenizer).ordinary_tokens();
  auto random = at::detail::createCPUGenerator(static_cast<std::uint64_t>(arguments.seed));
  const torch::Tensor first = at::randint(std::ssize(ordinary), {arguments.texts}, random, torch::kInt64);
  std::vector<std::vector<std::int64_t>> texts;
  for (std::int64_t i = 0; i < arguments.texts; ++i) {
    texts.push_back({ordinary[static_cast<std::size_t>(first[i].item<std::int64_t>())]});
  }
  const std::int64_t more = arguments.tokens - 1;
  const language::InferenceEngine engine(*loaded.model, torch::kFloat32);
  const auto completions = language::generate(
      engine, texts, {.max_new_tokens = more, .min_new_tokens = more, .temperature = 1, .seed = arguments.seed},
      {.writable = language::WritableIds(loaded.tokenizer)});
  torch::Tensor ids = at::empty({arguments.texts, arguments.tokens}, torch::kInt64);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i].insert(texts[i].end(), completions[i].ids.begin(), completions[i].ids.end());
    ids[static_cast<std::int64_t>(i)].copy_(torch::tensor(texts[i]));
  }
  return ids;
}

void prune(const PruneArguments& arguments, const Console& console) {
  limit_threads(arguments.threads);
  if (!arguments.out.empty() && std::filesystem::exists(arguments.out)) {
    throw ConfigError(arguments.out + ": exists already; choose another folder");
  }
  const auto loaded = language::load_language_model(arguments.model);
  loaded.model->freeze();
  const std::int64_t to_drop = loaded.model->options().layers - arguments.keep;
  const auto progress = make_stderr_progress(console.quiet);
  progress->start(std::max<std::int64_t>(to_drop, 0));
  std::int64_t dropped = 0;
  const auto found = language::search_layers(
      *loaded.model, written_by(loaded, arguments), arguments.keep, [&](const language::DroppedLayer& layer) {
        progress->update(++dropped, {{"layer", static_cast<double>(layer.layer)}, {"kl", layer.divergence}});
      });
  progress->finish();

  const std::string layers = fmt::format("{}", fmt::join(found.kept, ", "));
  if (!arguments.out.empty()) {
    language::save_language_model(arguments.out, *language::make_from_layers(*loaded.model, found.kept),
                                  arguments.model, {{"drystill.layers", layers}});
  }
  if (console.json) {
    nlohmann::ordered_json drops = nlohmann::json::array();
    for (const auto& layer : found.dropped) drops.push_back({{"layer", layer.layer}, {"kl", layer.divergence}});
    console.print(nlohmann::ordered_json{{"layers", found.kept}, {"dropped", drops}}.dump());
    return;
  }
  for (const auto& layer : found.dropped)
    console.print(fmt::format("without {:3}: KL {:.3f}", layer.layer, layer.divergence));
  console.print("layers: [" + layers + "]");
}

}  // namespace

void add_prune(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<PruneArguments>();
  CLI::App* verb =
      app.add_subcommand("prune", "which layers of a language model to keep, by text that it writes itself");
  verb->add_option("model", arguments->model, "folder in the form of Hugging Face, or .gguf file")->required();
  verb->add_option("--keep", arguments->keep, "layers that stay")->required()->check(CLI::PositiveNumber);
  verb->add_option("-o,--out", arguments->out, "folder for the smaller model; left out: only print its layers");
  verb->add_option("--texts", arguments->texts, "texts that the model writes")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--tokens", arguments->tokens, "tokens of each")->check(CLI::Range(2, 4096))->capture_default_str();
  verb->add_option("--seed", arguments->seed, "of the texts")->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--threads", arguments->threads, "CPU threads; 0: all")->check(CLI::Range(0, 1024));
  set_examples(*verb, {"prune MODEL --keep 15", "prune MODEL --keep 15 --texts 16 --out smaller"});
  verb->callback([arguments, &console] { prune(*arguments, console); });
}

}  // namespace drystill::apps
