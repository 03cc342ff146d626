// drystill synthesize: only the text that a run would learn from, and what its teacher says of it.
#include "distiller/language/synthesize.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "configs/run_config.h"
#include "core/error.h"
#include "core/progress.h"
#include "language/datasets/text_files.h"

namespace drystill::apps {
namespace {

struct SynthesizeArguments {
  std::string config;
  std::vector<std::string> sets;
  std::string out;
  bool logits = false;
  std::int64_t k = 0;
  std::int64_t count = 0;
};

void synthesize(const SynthesizeArguments& arguments, const Console& console) {
  const auto loaded = configs::load_run_config(arguments.config, arguments.sets).config;
  const auto* options = std::get_if<distiller::DistillLanguageModel>(&loaded);
  if (options == nullptr) {
    throw ConfigError(arguments.config + ": its task is '" + configs::task_name(loaded) +
                      "', this verb runs 'distill_language_model'");
  }
  if (arguments.k > 0 && !arguments.logits) throw ConfigError("--k: needs --logits");
  const distiller::TextSynthesisRequest request{
      .folder = arguments.out,
      .count = arguments.count > 0 ? arguments.count : options->batch * options->run.loop.epoch_steps,
      .top_k = !arguments.logits ? 0 : (arguments.k > 0 ? arguments.k : options->loss.divergence.k)};
  const auto progress = make_stderr_progress(console.quiet);
  const auto result = distiller::synthesize_text(*options, request, language::read_text_files, *progress);
  Fields fields = {{"folder", arguments.out}, {"sequences", result.sequences}, {"tokens", result.tokens}};
  if (arguments.logits) fields.emplace_back("mean_tail", Decimal{result.mean_tail, 6});
  console.result(fields);
}

}  // namespace

void add_synthesize(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<SynthesizeArguments>();
  CLI::App* verb = app.add_subcommand("synthesize", "only the text that a run of a language model would learn from");
  verb->add_option("config", arguments->config, "configuration file (YAML)")->required();
  verb->add_option("--set", arguments->sets, "change one value: a.b=c; may be repeated")->allow_extra_args(false);
  verb->add_option("-o,--out", arguments->out, "folder for records.jsonl and the teacher's words")->required();
  verb->add_option("--count", arguments->count, "sequences; default: one epoch's, batch times loop.epoch_steps")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--logits", arguments->logits, "also the teacher's likeliest words: a file for `weights: cached`");
  verb->add_option("--k", arguments->k, "words a token; default: loss.divergence.k")->check(CLI::PositiveNumber);
  set_examples(*verb, {"synthesize run.yaml -o text --count 1000",
                       "synthesize run.yaml -o cache --logits --k 100 --count 20000"});
  verb->callback([arguments, &console] { synthesize(*arguments, console); });
}

}  // namespace drystill::apps
