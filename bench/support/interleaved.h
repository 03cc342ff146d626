#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace drystill::bench {

// Times several ways of doing the same work in turn, so that whatever else the machine does hits all of them alike.
// Medians are robust against the rest.
class Interleaved {
 public:
  explicit Interleaved(std::size_t ways) : seconds_(ways) {}

  template <class Work>
  double time(std::size_t way, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seconds_[way].push_back(seconds);
    return seconds;
  }

  double median(std::size_t way) const {
    std::vector<double> sorted = seconds_[way];
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  std::vector<std::vector<double>> seconds_;
};

}  // namespace drystill::bench
