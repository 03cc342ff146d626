// Tokens a second of batched sampling with SmolLM2-135M's shapes (random weights: speed does not depend on them), with
// the shares of the machine's read bandwidth and multiply-add rate that the weights' traffic and products make up. The
// Python peer is tools/peers/generate.py; tools/compare_generate.py runs both in turn. Prints one JSON line.
#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "bench/support/peak_multiply_add.h"
#include "bench/support/plain_read.h"
#include "core/allocator.h"
#include "core/seeds.h"
#include "core/threads.h"
#include "language/sampling/generate.h"

namespace drystill::language {
namespace {

struct Arguments {
  std::int64_t batch = 1;
  std::int64_t prompt_tokens = 16;
  std::int64_t new_tokens = 64;
  std::int64_t repeat = 3;
  std::int64_t threads = 0;
  bool bfloat16 = false;
};

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TransformerOptions smollm2() {
  TransformerOptions options = defaults_of(Family::kLlama);
  options.vocab_size = 49152;
  options.hidden_size = 576;
  options.layers = 30;
  options.heads = 9;
  options.kv_heads = 3;
  options.head_dim = 64;
  options.intermediate_size = 1536;
  options.max_positions = 8192;
  options.rope.theta = 100'000;
  options.tied = true;
  return options;
}

std::string measure(const Arguments& arguments) {
  limit_threads(arguments.threads);
  SeedStreams seeds(0);
  const auto dtype = arguments.bfloat16 ? torch::kBFloat16 : torch::kFloat32;
  CausalLm model(smollm2());
  model.initialise(seeds.cpu_stream("weights"));
  const InferenceEngine engine(model, dtype);

  std::mt19937_64 random(0);
  std::vector<std::vector<std::int64_t>> prompts(arguments.batch);
  for (auto& prompt : prompts) {
    for (std::int64_t i = 0; i < arguments.prompt_tokens; ++i)
      prompt.push_back(static_cast<std::int64_t>(random() % 49152));
  }
  const SamplingOptions options{.max_new_tokens = arguments.new_tokens};
  const torch::Tensor memory = at::randn({engine.weight_bytes() / 4}, torch::kFloat32);

  // The fastest of the rounds, of the limits and of the work alike: other programs can only slow any of them down.
  double seconds = 1e30, read_seconds = 1e30, peak = 0;
  std::int64_t tokens = 0;
  for (std::int64_t round = 0; round <= arguments.repeat; ++round) {
    const double taken = seconds_of([&] {
      tokens = 0;
      for (const Completion& completion : generate(engine, prompts, options, {.batch = arguments.batch})) {
        tokens += static_cast<std::int64_t>(completion.ids.size());
      }
    });
    if (round > 0) seconds = std::min(seconds, taken);  // the first warms up
    read_seconds = std::min(read_seconds, seconds_of([&] { (void)bench::plain_read(memory); }));
    peak = std::max(peak, bench::peak_multiply_add(dtype));
  }
  const double steps = static_cast<double>(arguments.new_tokens);
  const double read = static_cast<double>(engine.weight_bytes()) * steps / seconds;
  const double work =
      2 * static_cast<double>(engine.products_per_token()) *
      (static_cast<double>(tokens) + static_cast<double>(arguments.batch * (arguments.prompt_tokens - 1))) / seconds;
  const double read_limit = static_cast<double>(engine.weight_bytes()) / read_seconds;
  return fmt::format(
      R"({{"peer": "drystill", "dtype": "{}", "batch": {}, "new_tokens": {}, "threads": {}, "seconds": {:.4f}, )"
      R"("tokens_per_second": {:.1f}, "read_share": {:.3f}, "flops_share": {:.3f}, "read_limit": {:.3e}, )"
      R"("flops_limit": {:.3e}}})",
      arguments.bfloat16 ? "bfloat16" : "float32", arguments.batch, arguments.new_tokens, at::get_num_threads(),
      seconds, static_cast<double>(tokens) / seconds, read / read_limit, work / peak, read_limit, peak);
}

}  // namespace
}  // namespace drystill::language

int main(int argc, char** argv) {
  drystill::set_up_allocator();
  drystill::language::Arguments arguments;
  CLI::App app("tokens a second of batched generation");
  app.add_option("--batch", arguments.batch, "sequences")->capture_default_str();
  app.add_option("--prompt-tokens", arguments.prompt_tokens, "tokens of each prompt")->capture_default_str();
  app.add_option("--new-tokens", arguments.new_tokens, "tokens sampled behind each prompt")->capture_default_str();
  app.add_option("--repeat", arguments.repeat, "rounds; the fastest counts")->capture_default_str();
  app.add_option("--threads", arguments.threads, "CPU threads; 0: all");
  app.add_flag("--bf16", arguments.bfloat16, "bfloat16 weights and cache");
  CLI11_PARSE(app, argc, argv);
  try {
    std::puts(drystill::language::measure(arguments).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generate_bench: %s\n", error.what());
    return 1;
  }
}
