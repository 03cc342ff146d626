#include "generator/rollouts/adversarial_prefix.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/gradient_norm.h"
#include "generator/rollouts/policy_gradient.h"
#include "generator/rollouts/random_numbers.h"

namespace drystill::generator {
namespace {

std::vector<language::PromptedCompletion> texts_of(std::span<const AdversarialSample> samples) {
  std::vector<language::PromptedCompletion> texts;
  for (const AdversarialSample& sample : samples) {
    texts.push_back({.prompt = sample.prompt, .completion = sample.completion});
  }
  return texts;
}

std::int64_t drawn_tokens(const AdversarialSample& sample) {
  return std::max<std::int64_t>(0, std::ssize(sample.completion) - sample.greedy_tokens);
}

// Every sample's value, for each of its drawn tokens; 0 for greedy ones -> [M].
torch::Tensor per_token(std::span<const AdversarialSample> samples, std::span<const double> values) {
  std::vector<float> all;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (std::int64_t t = 0; t < std::ssize(samples[i].completion); ++t) {
      all.push_back(t < samples[i].greedy_tokens ? 0.0F : static_cast<float>(values[i]));
    }
  }
  return at::tensor(all, torch::kFloat32);
}

}  // namespace

std::vector<double> leave_one_out_advantages(std::span<const double> rewards, std::span<const std::int64_t> groups) {
  struct Sum {
    double total = 0;
    std::int64_t count = 0;
    void add(double value) {
      total += value;
      ++count;
    }
  };
  Sum all;
  std::map<std::int64_t, Sum> of_group;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    all.add(rewards[i]);
    of_group[groups[i]].add(rewards[i]);
  }
  std::vector<double> advantages;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const Sum& own = of_group[groups[i]];
    const Sum& peers = own.count > 1 ? own : all;
    const auto others = static_cast<double>(peers.count - 1);
    advantages.push_back(others > 0 ? rewards[i] - (peers.total - rewards[i]) / others : 0);
  }
  return advantages;
}

std::vector<std::int64_t> adversarial_start(Actor& teacher, const language::PromptEncoder& encoder, std::int64_t length,
                                            SeedStreams& seeds) {
  const at::Generator random = seeds.cpu_stream("rollout.adversarial_prefix");
  const auto words = encoder.ordinary_tokens();
  const std::int64_t word = words[static_cast<std::size_t>(random_integer(random, 0, std::ssize(words) - 1))];
  std::vector<std::int64_t> text = {encoder.beginning_of_text().value_or(word)};
  if (length > 1) {
    const language::SamplingOptions sampling{
        .max_new_tokens = length - 1, .min_new_tokens = length - 1, .seed = random_seed(random)};
    const auto written = teacher.write({&text, 1}, sampling);
    text.insert(text.end(), written[0].tokens.begin(), written[0].tokens.end());
  }
  return text;
}

AdversarialPrefix::AdversarialPrefix(const AdversarialPrefixOptions& options, const language::CausalLm& teacher,
                                     const std::vector<std::int64_t>& text, language::WritableIds writable)
    : options_(options),
      teacher_(teacher),
      writable_(std::move(writable)),
      prefix_(language::KvPrefix::from_text(teacher, at::tensor(text, torch::kInt64), options.frozen)),
      optimizer_(prefix_->parameters(), options.optimizer) {}

std::vector<double> AdversarialPrefix::surprises(std::span<const language::PromptedCompletion> texts) const {
  const torch::NoGradGuard no_grad;
  const language::PackedView view = language::pack(texts, torch::kCPU);
  const torch::Tensor tokens = language::completion_tokens(texts, torch::kCPU);
  const torch::Tensor none = at::zeros({tokens.size(0)}, torch::kFloat32);
  const auto plain = policy_gradient({.hidden = language::predicting_states(teacher_.hidden(view.tokens), view),
                                      .weight = teacher_.output_weight(),
                                      .tokens = tokens,
                                      .writable = writable_},
                                     none, none);
  std::vector<double> means;
  std::int64_t begin = 0;
  for (const language::PromptedCompletion& text : texts) {
    const std::int64_t length = std::ssize(text.completion);
    means.push_back(-plain.log_probabilities.narrow(0, begin, length).mean().item<double>());
    begin += length;
  }
  return means;
}

AdversarialPrefix::Gradient AdversarialPrefix::gradient(std::span<const AdversarialSample> samples,
                                                        double temperature) const {
  const auto batch = static_cast<std::size_t>(options_.micro_batch);
  const auto texts = texts_of(samples);
  const auto total = static_cast<double>(samples.size());
  Gradient result;
  std::vector<double> rewards;
  std::vector<std::int64_t> groups;
  for (std::size_t begin = 0; begin < samples.size(); begin += batch) {
    const auto part = std::span(texts).subspan(begin, std::min(batch, samples.size() - begin));
    for (const double surprise : surprises(part)) {
      const AdversarialSample& sample = samples[rewards.size()];
      rewards.push_back(sample.disagreement - options_.fluency * surprise);
      groups.push_back(sample.group);
      result.report.reward += rewards.back() / total;
      result.report.disagreement += sample.disagreement / total;
      result.report.surprise += surprise / total;
    }
  }
  std::vector<double> advantages = leave_one_out_advantages(rewards, groups);
  for (double& advantage : advantages) advantage /= total;
  std::vector<double> entropy_weights, entropy_shares;
  for (const AdversarialSample& sample : samples) {
    const auto drawn = static_cast<double>(std::max<std::int64_t>(1, drawn_tokens(sample)));
    entropy_shares.push_back(1 / (total * drawn));
    entropy_weights.push_back(options_.entropy * entropy_shares.back());
  }

  const std::vector<torch::Tensor> parameters = prefix_->parameters();
  for (const torch::Tensor& parameter : parameters) result.gradients.push_back(at::zeros_like(parameter));
  for (std::size_t begin = 0; begin < samples.size() && samples.size() > 1; begin += batch) {
    const std::size_t count = std::min(batch, samples.size() - begin);
    const auto part = samples.subspan(begin, count);
    const auto of_part = [&](const std::vector<double>& values) {
      return per_token(part, std::span(values).subspan(begin, count));
    };
    const auto part_texts = std::span(texts).subspan(begin, count);
    const language::PackedView view = language::pack(part_texts, torch::kCPU);
    const language::PrefixKeyValues before = prefix_->key_values();
    const torch::Tensor hidden = language::predicting_states(teacher_.hidden(view.tokens, {.prefix = &before}), view);
    const auto policy = policy_gradient({.hidden = hidden.detach(),
                                         .weight = teacher_.output_weight(),
                                         .tokens = language::completion_tokens(part_texts, torch::kCPU),
                                         .temperature = temperature,
                                         .writable = writable_},
                                        of_part(advantages), of_part(entropy_weights));
    result.report.entropy += (policy.entropies * of_part(entropy_shares)).sum().item<double>();
    // Of the prefix alone: a live teacher's weights are the student's, and get no gradient here.
    const auto found = torch::autograd::grad({hidden}, parameters, {policy.hidden_gradient});
    for (std::size_t i = 0; i < found.size(); ++i) result.gradients[i].add_(found[i]);
  }
  return result;
}

AdversarialPrefix::Report AdversarialPrefix::learn(std::span<const AdversarialSample> samples, double temperature) {
  Gradient step = gradient(samples, temperature);
  if (!std::isfinite(step.report.reward) || !std::isfinite(step.report.entropy)) {
    throw DivergedError("[generator.AdversarialPrefix] the reward is " + std::to_string(step.report.reward) +
                        " and the entropy " + std::to_string(step.report.entropy) +
                        "; lower rollout.adversarial_prefix.optimizer.learning_rate");
  }
  clip_gradient_norm(step.gradients, options_.clip_gradient);
  const std::vector<torch::Tensor> parameters = prefix_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_grad() = step.gradients[i];
  optimizer_.step();
  optimizer_.zero_grad();
  return step.report;
}

void AdversarialPrefix::save(StateWriter writer) const {
  writer.module("prefix", *prefix_);
  optimizer_.save(writer.part("optimizer"));
}

void AdversarialPrefix::load(const StateReader& reader) {
  reader.module("prefix", *prefix_);
  optimizer_.load(reader.part("optimizer"));
}

}  // namespace drystill::generator
