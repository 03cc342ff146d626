#include "curriculum/replay_bank.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace drystill::curriculum {

ReplayBank::ReplayBank(const ReplayOptions& options)
    : options_(options), weights_(torch::zeros({options.capacity}, torch::kFloat64)) {}

torch::Tensor ReplayBank::insert(const torch::Tensor& samples, const torch::Tensor& weights) {
  torch::NoGradGuard no_grad;
  TORCH_CHECK(samples.dim() >= 1 && weights.dim() == 1 && samples.size(0) == weights.size(0),
              "[curriculum.ReplayBank.insert] expected samples [N, ...] and weights [N], got ", samples.sizes(),
              " and ", weights.sizes());
  // More samples than slots: only the newest would survive.
  const std::int64_t count = std::min(samples.size(0), options_.capacity);
  auto slots =
      torch::arange(next_, next_ + count, torch::kInt64).remainder_(std::max<std::int64_t>(options_.capacity, 1));
  if (count == 0) return slots;
  const auto newest = samples.narrow(0, samples.size(0) - count, count);
  const auto newest_weights = weights.narrow(0, weights.size(0) - count, count).to(torch::kCPU, torch::kFloat64);
  if (!samples_.defined()) {
    auto shape = newest.sizes().vec();
    shape[0] = options_.capacity;
    samples_ = torch::zeros(shape, newest.options().requires_grad(false));
  }
  const std::int64_t until_end = std::min(count, options_.capacity - next_);
  const auto place = [&](std::int64_t slot, std::int64_t from, std::int64_t length) {
    if (length == 0) return;
    samples_.narrow(0, slot, length).copy_(newest.narrow(0, from, length));
    weights_.narrow(0, slot, length).copy_(newest_weights.narrow(0, from, length));
  };
  place(next_, 0, until_end);
  place(0, until_end, count - until_end);
  next_ = (next_ + count) % options_.capacity;
  size_ = std::min(options_.capacity, size_ + count);
  return slots;
}

ReplayBank::Draw ReplayBank::draw(std::int64_t count, at::Generator generator) const {
  TORCH_CHECK(size_ > 0, "[curriculum.ReplayBank.draw] the bank is empty");
  torch::NoGradGuard no_grad;
  const auto held = weights_.narrow(0, 0, size_);
  torch::Tensor slots;
  if (options_.draw == ReplayDraw::kCurriculum && held.sum().item<double>() > 0) {
    slots = torch::multinomial(held, count, /*replacement=*/true, generator);
  } else {
    slots = torch::randint(0, size_, {count}, generator, torch::TensorOptions(torch::kInt64));
  }
  return {samples_.index_select(0, slots.to(samples_.device())), slots};
}

void ReplayBank::reweigh(const torch::Tensor& slots, const torch::Tensor& weights) {
  torch::NoGradGuard no_grad;
  weights_.index_copy_(0, slots, weights.to(torch::kCPU, torch::kFloat64));
}

void ReplayBank::save(StateWriter writer) const {
  writer.integer("next", next_);
  writer.integer("size", size_);
  if (size_ > 0) {
    writer.tensor("samples", samples_.narrow(0, 0, size_));
    writer.tensor("weights", weights_.narrow(0, 0, size_));
  }
}

void ReplayBank::load(const StateReader& reader, torch::Device device) {
  next_ = reader.integer("next");
  size_ = reader.integer("size");
  // A ring that is not full yet grows at its end.
  const bool fits = size_ < options_.capacity ? next_ == size_ : next_ < std::max<std::int64_t>(options_.capacity, 1);
  if (next_ < 0 || size_ < 0 || size_ > options_.capacity || !fits) {
    throw InputError("the saved replay bank holds " + std::to_string(size_) + " samples at position " +
                     std::to_string(next_) + ", this run's capacity is " + std::to_string(options_.capacity));
  }
  if (size_ == 0) return;
  const auto samples = reader.tensor("samples"), weights = reader.tensor("weights");
  if (samples.dim() == 0 || samples.size(0) != size_ || weights.sizes() != at::IntArrayRef{size_}) {
    throw InputError("the saved replay bank is damaged: it says that it holds " + std::to_string(size_) + " samples");
  }
  auto shape = samples.sizes().vec();
  shape[0] = options_.capacity;
  samples_ = torch::zeros(shape, samples.options().device(device));
  samples_.narrow(0, 0, size_).copy_(samples);
  weights_.narrow(0, 0, size_).copy_(weights);
}

}  // namespace drystill::curriculum
