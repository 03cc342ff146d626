#include "vision/datasets/decode_stream.h"

#include <ATen/ops/empty.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace drystill::vision {
namespace {

// One batch on its way. The tensors are made and handed out by the consumer; workers only write bytes.
struct Ticket {
  LabelledImages batch;
  std::uint8_t* pixels = nullptr;
  std::int64_t* labels = nullptr;
  std::vector<std::int64_t> samples;

  std::mutex mutex;
  std::condition_variable done;
  std::size_t pending = 0;
  bool cancelled = false;
  std::size_t failed_at = 0;
  std::exception_ptr failure;
};

void decode_one(const DecodeJob& job, Ticket& ticket, std::size_t place, std::size_t image_bytes) {
  std::exception_ptr failure;
  bool wanted;
  {
    const std::lock_guard lock(ticket.mutex);
    wanted = !ticket.cancelled;
  }
  if (wanted) {
    try {
      ticket.labels[place] = job.decode(ticket.samples[place], ticket.pixels + place * image_bytes);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  const std::lock_guard lock(ticket.mutex);
  if (failure && (!ticket.failure || place < ticket.failed_at)) {
    ticket.failure = failure;
    ticket.failed_at = place;
  }
  if (--ticket.pending == 0) ticket.done.notify_one();
}

int thread_count(std::int64_t workers) {
  return workers > 0 ? static_cast<int>(workers) : tbb::info::default_concurrency();
}

class DecodeStream : public BatchStream {
 public:
  DecodeStream(DecodeJob job, const torch::Tensor& order, std::int64_t batch)
      : job_(std::make_shared<const DecodeJob>(std::move(job))),
        batch_(static_cast<std::size_t>(batch)),
        // TBB counts the thread that waits for the batches, which decodes nothing.
        limit_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(thread_count(job_->workers)) + 1),
        arena_(thread_count(job_->workers), 0) {
    const torch::Tensor samples = order.contiguous();
    const std::int64_t* first = samples.const_data_ptr<std::int64_t>();
    order_.assign(first, first + samples.numel());
  }

  ~DecodeStream() override {
    for (const auto& ticket : tickets_) {
      const std::lock_guard lock(ticket->mutex);
      ticket->cancelled = true;
    }
    for (const auto& ticket : tickets_) wait(*ticket);
  }

  std::optional<LabelledImages> next() override {
    while (std::ssize(tickets_) < std::max<std::int64_t>(job_->queue, 1) && position_ < order_.size()) issue();
    if (tickets_.empty()) return std::nullopt;
    const std::shared_ptr<Ticket> ticket = tickets_.front();
    wait(*ticket);
    tickets_.pop_front();
    if (ticket->failure) std::rethrow_exception(ticket->failure);
    return ticket->batch;
  }

 private:
  void issue() {
    const std::size_t count = std::min(batch_, order_.size() - position_);
    const auto n = static_cast<std::int64_t>(count);
    const ExpectedImages& expected = job_->expected;
    auto ticket = std::make_shared<Ticket>();
    ticket->batch = {at::empty({n, expected.channels, expected.height, expected.width}, torch::kByte),
                     at::empty({n}, torch::kLong)};
    ticket->pixels = ticket->batch.images.data_ptr<std::uint8_t>();
    ticket->labels = ticket->batch.labels.data_ptr<std::int64_t>();
    ticket->samples.assign(order_.begin() + static_cast<std::ptrdiff_t>(position_),
                           order_.begin() + static_cast<std::ptrdiff_t>(position_ + count));
    ticket->pending = count;
    position_ += count;
    tickets_.push_back(ticket);
    const auto image_bytes = static_cast<std::size_t>(expected.channels * expected.height * expected.width);
    for (std::size_t place = 0; place < count; ++place) {
      arena_.enqueue([job = job_, ticket, place, image_bytes] { decode_one(*job, *ticket, place, image_bytes); });
    }
  }

  static void wait(Ticket& ticket) {
    std::unique_lock lock(ticket.mutex);
    ticket.done.wait(lock, [&] { return ticket.pending == 0; });
  }

  std::shared_ptr<const DecodeJob> job_;
  std::size_t batch_;
  tbb::global_control limit_;
  tbb::task_arena arena_;
  std::vector<std::int64_t> order_;
  std::size_t position_ = 0;  // samples already issued
  std::deque<std::shared_ptr<Ticket>> tickets_;
};

}  // namespace

std::unique_ptr<BatchStream> decode_stream(DecodeJob job, const torch::Tensor& order, std::int64_t batch) {
  return std::make_unique<DecodeStream>(std::move(job), order, batch);
}

}  // namespace drystill::vision
