#include "distiller/replay.h"

#include <ATen/ops/full.h>
#include <ATen/ops/isin.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <string>

namespace drystill::distiller {

std::int64_t replayed_count(const curriculum::ReplayOptions& options, const curriculum::ReplayBank& bank,
                            std::int64_t batch) {
  if (options.capacity == 0 || bank.size() < batch) return 0;
  return std::lround(options.fraction * static_cast<double>(batch));
}

torch::Tensor slots_of_batch(std::int64_t fresh, const torch::Tensor& drawn) {
  const std::int64_t replayed = drawn.defined() ? drawn.size(0) : 0;
  torch::Tensor slots = at::full({fresh + replayed}, -1, torch::kInt64);
  if (replayed > 0) slots.narrow(0, fresh, replayed).copy_(drawn);
  return slots;
}

void store_fresh(curriculum::ReplayBank& bank, const torch::Tensor& samples, torch::Tensor& slots) {
  const std::int64_t fresh = samples.size(0);
  const torch::Tensor stored = bank.insert(samples, at::ones({fresh}));
  slots.narrow(0, fresh - stored.size(0), stored.size(0)).copy_(stored);
  // What was drawn and has just been replaced is in the bank no more: its weight is not the new sample's.
  torch::Tensor drawn = slots.narrow(0, fresh, slots.size(0) - fresh);
  drawn.masked_fill_(at::isin(drawn, stored), -1);
}

void reweigh(curriculum::ReplayBank& bank, const curriculum::ReplayOptions& options, const Batch& batch,
             const StepReport& report) {
  if (!batch.bank_slots.defined() || options.draw != curriculum::ReplayDraw::kCurriculum) return;
  if (report.sample_weights.dim() != 1) return;
  const torch::Tensor kept = batch.bank_slots.ge(0).nonzero().squeeze(1);
  bank.reweigh(batch.bank_slots.index_select(0, kept), report.sample_weights.to(torch::kCPU).index_select(0, kept));
}

void save_metrics(StateWriter& writer, std::string_view kind, const Metrics& metrics) {
  const std::string name(kind);
  writer.integer(name + "s", std::ssize(metrics));
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    writer.text(name + "_name." + std::to_string(i), metrics[i].first);
    writer.real(name + "_value." + std::to_string(i), metrics[i].second);
  }
}

Metrics load_metrics(const StateReader& reader, std::string_view kind) {
  const std::string name(kind);
  Metrics metrics;
  const std::int64_t count = reader.integer(name + "s");
  for (std::int64_t i = 0; i < count; ++i) {
    metrics.emplace_back(reader.text(name + "_name." + std::to_string(i)),
                         reader.real(name + "_value." + std::to_string(i)));
  }
  return metrics;
}

}  // namespace drystill::distiller
