#include "language/sampling/inference_engine.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/stop_request.h"
#include "kernels/decoder_rows.h"
#include "kernels/logit_blocks.h"
#include "language/sampling/logit_sum.h"
#include "language/sampling/packed_decoder.h"

namespace drystill::language {
namespace {

constexpr std::int64_t kPagePositions = kernels::PageLayout::kPositions;
constexpr std::int64_t kMostRows = 448;  // tokens that go through the layers together: four blocks of packed_linear
constexpr std::int64_t kMostScoreRows = 112;  // the same where each has logits, [rows, V]

torch::ScalarType checked_dtype(torch::ScalarType dtype) {
  if (dtype == torch::kFloat32 || dtype == torch::kBFloat16) return dtype;
  throw ConfigError(c10::str("[language.inference_engine] expected dtype float32 or bfloat16, got ", dtype));
}

const CausalLm& checked_model(const CausalLm& model) {
  if (InferenceEngine::can_run(model)) return model;
  throw InputError(
      "[language.inference_engine] expected a model on the CPU and a processor with AVX2; use CausalLm with a KvCache");
}

}  // namespace

struct InferenceEngine::Parts {
  PackedDecoder decoder;

  void check(const TokenRun& run) const {
    const TransformerOptions& model = decoder.options();
    if (run.ids.empty()) throw InputError("[language.inference_engine] expected at least one token a run, got none");
    const auto end = run.sequence->length_ + static_cast<std::int64_t>(run.ids.size());
    if (end > model.max_positions) {
      throw InputError(c10::str("[language.inference_engine] ", end, " tokens do not fit the model's ",
                                model.max_positions, " positions"));
    }
    for (const std::int64_t id : run.ids) {
      if (id >= 0 && id < model.vocab_size) continue;
      throw InputError(
          c10::str("[language.inference_engine] token id ", id, " is outside the vocabulary of ", model.vocab_size));
    }
  }

  void make_room(Sequence& sequence, std::int64_t length) const {
    const kernels::PageLayout& layout = decoder.layout();
    while (static_cast<std::int64_t>(sequence.pages_.size()) * kPagePositions < length) {
      sequence.pages_.push_back(at::zeros({layout.page_values()}, layout.type));
      sequence.pointers_.push_back(sequence.pages_.back().mutable_data_ptr());
    }
  }

  std::vector<TokenRow> append(std::span<const TokenRun> runs) const {
    std::set<const Sequence*> seen;
    for (const TokenRun& run : runs) {
      check(run);
      if (!seen.insert(run.sequence).second) {
        throw InputError("[language.inference_engine] expected one run a sequence, got two");
      }
    }
    std::vector<TokenRow> rows;
    for (const TokenRun& run : runs) {
      Sequence& sequence = *run.sequence;
      make_room(sequence, sequence.length_ + static_cast<std::int64_t>(run.ids.size()));
      for (const std::int64_t id : run.ids) rows.push_back({id, sequence.length_++, sequence.pointers_.data()});
    }
    return rows;
  }
};

InferenceEngine::InferenceEngine(const CausalLm& model, torch::ScalarType dtype)
    : parts_(std::make_unique<Parts>(Parts{PackedDecoder(checked_model(model), checked_dtype(dtype))})) {}
InferenceEngine::~InferenceEngine() = default;
InferenceEngine::InferenceEngine(InferenceEngine&&) noexcept = default;

bool InferenceEngine::can_run(const CausalLm& model) {
  return kernels::has_decoder_kernels() && model.input_weight().is_cpu();
}

const TransformerOptions& InferenceEngine::options() const {
  return parts_->decoder.options();
}

torch::ScalarType InferenceEngine::dtype() const {
  return parts_->decoder.layout().type;
}

std::int64_t InferenceEngine::weight_bytes() const {
  return parts_->decoder.weight_bytes();
}

std::int64_t InferenceEngine::products_per_token() const {
  return parts_->decoder.products_per_token();
}

Sequence Sequence::fork() const {
  Sequence copy = *this;
  if (length_ % kPagePositions != 0) {
    const auto last = static_cast<std::size_t>(length_ / kPagePositions);
    copy.pages_[last] = pages_[last].clone();
    copy.pointers_[last] = copy.pages_[last].mutable_data_ptr();
  }
  return copy;
}

Sequence InferenceEngine::start(const PrefixKeyValues& prefix) const {
  const kernels::PageLayout& layout = parts_->decoder.layout();
  const auto expected = static_cast<std::size_t>(layout.layers);
  if (prefix.keys.size() != expected || prefix.values.size() != expected) {
    throw InputError(
        c10::str("[language.inference_engine] expected a prefix of ", expected, " layers, got ", prefix.keys.size()));
  }
  Sequence sequence;
  const std::int64_t length = prefix.keys[0].size(2);
  const std::vector<std::int64_t> shape = {1, layout.kv_heads, length, layout.head_dim};
  parts_->make_room(sequence, length);
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    const auto tokens = [&](const torch::Tensor& tensor) {  // -> [p, kv_heads, head_dim]
      if (tensor.sizes() != torch::IntArrayRef(shape)) {
        throw InputError(c10::str("[language.inference_engine] expected a prefix of shape ", shape, " in layer ", layer,
                                  ", got ", tensor.sizes()));
      }
      return tensor.detach()[0].transpose(0, 1).to(torch::kFloat32).contiguous();
    };
    const torch::Tensor keys = tokens(prefix.keys[layer]), values = tokens(prefix.values[layer]);
    for (std::int64_t i = 0; i < length; ++i) {
      kernels::store_token(layout, sequence.pointers_[i / kPagePositions], layer, i % kPagePositions,
                           keys[i].const_data_ptr<float>(), values[i].const_data_ptr<float>());
    }
  }
  sequence.length_ = length;
  return sequence;
}

torch::Tensor InferenceEngine::forward(std::span<const TokenRun> runs, torch::Tensor* states) const {
  const PackedDecoder& decoder = parts_->decoder;
  const std::vector<TokenRow> rows = parts_->append(runs);
  torch::Tensor last = at::empty({static_cast<std::int64_t>(runs.size()), decoder.options().hidden_size});
  const auto count = static_cast<std::int64_t>(rows.size());
  std::size_t run = 0;
  std::int64_t end_of_run = runs.empty() ? 0 : static_cast<std::int64_t>(runs[0].ids.size());
  for (std::int64_t begin = 0; begin < count; begin += kMostRows) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const std::int64_t end = std::min(begin + kMostRows, count);
    const torch::Tensor chunk = decoder.states(std::span(rows).subspan(begin, end - begin));
    while (run < runs.size() && end_of_run <= end) {
      last[static_cast<std::int64_t>(run)].copy_(chunk[end_of_run - 1 - begin]);
      if (++run < runs.size()) end_of_run += static_cast<std::int64_t>(runs[run].ids.size());
    }
  }
  last = decoder.normalised(last);
  if (states != nullptr) *states = last;
  return decoder.logits(last);
}

std::vector<float> InferenceEngine::token_log_probs(std::span<const std::int64_t> ids,
                                                    const PrefixKeyValues* prefix) const {
  const PackedDecoder& decoder = parts_->decoder;
  Sequence sequence = prefix == nullptr ? start() : start(*prefix);
  const TokenRun run{&sequence, ids};
  const std::vector<TokenRow> rows = parts_->append({&run, 1});
  const std::int64_t vocabulary = decoder.options().vocab_size, blocks = kernels::logit_block_count(vocabulary);
  const auto count = static_cast<std::int64_t>(rows.size()) - 1;  // nothing follows the last token
  std::vector<float> log_probs;
  std::vector<float> maxima(kMostScoreRows * blocks), sums(kMostScoreRows * blocks);
  for (std::int64_t begin = 0; begin < count; begin += kMostScoreRows) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const std::int64_t size = std::min(kMostScoreRows, count - begin);
    const torch::Tensor logits =
        decoder.logits(decoder.normalised(decoder.states(std::span(rows).subspan(begin, size))));
    const auto* values = logits.const_data_ptr<float>();
    kernels::logit_blocks(values, size, vocabulary, 1, maxima.data(), sums.data(), nullptr);
    for (std::int64_t i = 0; i < size; ++i) {
      const auto row = [&](const std::vector<float>& all) { return std::span(all).subspan(i * blocks, blocks); };
      const auto logit = static_cast<double>(values[i * vocabulary + ids[begin + i + 1]]);
      log_probs.push_back(static_cast<float>(logit - log_sum_of_blocks(row(maxima), row(sums))));
    }
  }
  return log_probs;
}

}  // namespace drystill::language
