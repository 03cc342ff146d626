// drystill generate: text sampled from a language model.
#include "language/sampling/generate.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "apps/language_arguments.h"
#include "core/error.h"
#include "core/progress.h"
#include "language/chat/chat_template.h"
#include "language/sampling/sampler.h"
#include "language/tokenizer/load_tokenizer.h"
#include "language/tokenizer/streaming_decoder.h"

namespace drystill::apps {
namespace {

struct GenerateArguments {
  LanguageModelArguments model;
  std::string prompt;
  bool raw = false;
  std::int64_t batch = 1;
  language::SamplingOptions sampling;
};

// A chat model is asked; a base model, or any with --raw, goes on from the text. Only then may the text hold special
// tokens: it is the user's own whole prompt.
std::vector<std::int64_t> prompt_ids(const language::Tokenizer& tokenizer, const GenerateArguments& arguments) {
  if (arguments.raw || !tokenizer.chat_template()) {
    return tokenizer.encode(arguments.prompt, {.allow_special = true, .add_special = true});
  }
  const language::ChatMessage message{"user", arguments.prompt};
  return language::encode_chat(tokenizer, {&message, 1}, {.add_generation_prompt = true});
}

// Said in the command line's words, which the library cannot know.
void check_prompt(const std::vector<std::int64_t>& prompt, const LoadedEngine& loaded,
                  const language::SamplingOptions& sampling) {
  if (prompt.empty()) throw InputError("--prompt: is empty, and the model has no token that begins a text");
  const auto* prefix = loaded.before();
  const std::int64_t before = prefix == nullptr ? 0 : loaded.engine.start(*prefix).length();
  const std::int64_t size = std::ssize(prompt) + before, positions = loaded.engine.options().max_positions;
  if (sampling.max_new_tokens <= positions - size) return;
  throw InputError("--prompt: has " + std::to_string(size) + " tokens" + (before > 0 ? " with the prefix" : "") +
                   "; with --max-new-tokens " + std::to_string(sampling.max_new_tokens) + " it passes the model's " +
                   std::to_string(positions) + " positions; lower --max-new-tokens" +
                   (size < positions ? " to " + std::to_string(positions - size) : "") + " or shorten the prompt");
}

void print_results(const std::vector<language::Completion>& completions, const language::Tokenizer& tokenizer,
                   double tokens_per_second, const Console& console) {
  for (std::size_t i = 0; i < completions.size(); ++i) {
    const language::Completion& completion = completions[i];
    const std::string text = tokenizer.decode(completion.ids, true);
    if (!console.json) {
      console.print((i ? "\n--- " : "--- ") + std::to_string(i) + "\n" + text);
      continue;
    }
    nlohmann::ordered_json line = {{"text", text},
                                   {"ids", completion.ids},
                                   {"log_probabilities", completion.log_probs},
                                   {"finish_reason", enum_name(completion.reason)},
                                   {"tokens_per_second", tokens_per_second}};
    console.print(line.dump());
  }
}

void generate(const GenerateArguments& arguments, const Console& console) {
  language::check_sampling_options(arguments.sampling);
  const language::Tokenizer tokenizer = language::load_tokenizer(arguments.model.model);
  const LoadedEngine loaded = load_engine(arguments.model);
  const std::vector<std::vector<std::int64_t>> prompts(arguments.batch, prompt_ids(tokenizer, arguments));
  check_prompt(prompts.front(), loaded, arguments.sampling);

  const bool stream = arguments.batch == 1 && !console.json;
  language::StreamingDecoder decoder(tokenizer, true);
  language::GenerateContext context;
  context.prefix = loaded.before();
  context.batch = arguments.batch;
  context.writable = language::WritableIds(tokenizer);
  context.decode = [&](std::span<const std::int64_t> ids) { return tokenizer.decode(ids, true); };
  if (stream) context.on_token = [&](const language::TokenEvent& event) { write_output(decoder.push(event.id)); };
  // On a terminal only: what a script reads from standard error should be about errors.
  const auto progress = make_stderr_progress(console.quiet || !style_for_stderr(false).terminal);
  if (!stream) context.progress = progress.get();
  const auto start = std::chrono::steady_clock::now();
  const auto completions = language::generate(loaded.engine, prompts, arguments.sampling, context);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (stream) {
    write_output(decoder.finish() + "\n");
    return;
  }
  double tokens = 0;
  for (const language::Completion& completion : completions) tokens += static_cast<double>(completion.ids.size());
  print_results(completions, tokenizer, tokens / seconds, console);
}

}  // namespace

void add_generate(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<GenerateArguments>();
  language::SamplingOptions& sampling = arguments->sampling;
  CLI::App* verb = app.add_subcommand("generate", "text sampled from a language model");
  add_language_model_arguments(*verb, arguments->model);
  verb->add_option("--prompt", arguments->prompt, "what is asked, or, of a base model, what the text begins with")
      ->required();
  verb->add_flag("--raw", arguments->raw, "go on from the prompt itself, without the model's chat template");
  verb->add_option(
          "--batch", arguments->batch,
          "samples of the one prompt, made side by side and printed when all have ended; 1: printed as it is written")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--max-new-tokens", sampling.max_new_tokens, "tokens sampled at most")->capture_default_str();
  verb->add_option("--min-new-tokens", sampling.min_new_tokens, "no end before this many tokens");
  verb->add_option("--temperature", sampling.temperature, "0: the most likely token")->capture_default_str();
  verb->add_option("--top-k", sampling.top_k, "only the k most likely tokens; 0: all");
  verb->add_option("--top-p", sampling.top_p, "only the most likely tokens with this probability together; 1: all");
  verb->add_option("--min-p", sampling.min_p, "only tokens this many times as likely as the likeliest; 0: all");
  verb->add_option("--stop", sampling.stop_strings, "text that ends a sample; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--seed", sampling.seed, "of the random numbers")->capture_default_str();
  set_examples(*verb, {"generate MODEL --prompt 'Name three colours.' --temperature 0",
                       "generate MODEL --prompt 'Once upon a time' --raw --batch 4 --max-new-tokens 64 --json"});
  verb->footer(
      "With --json one object a sample, a line each: text, ids, log_probabilities, finish_reason (stop_id,\n"
      "stop_string, loop or length), tokens_per_second (of all samples together).\n\n" +
      verb->get_footer());
  verb->callback([arguments, &console] { generate(*arguments, console); });
}

}  // namespace drystill::apps
