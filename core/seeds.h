#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <map>
#include <string>

#include "core/state.h"

namespace drystill {

// Named random streams, all made from one run seed. "generator.latent" and "augment.student" never disturb one another,
// so adding a draw in one place changes nothing elsewhere. The global generator of LibTorch is never used.
class SeedStreams {
 public:
  explicit SeedStreams(std::uint64_t run_seed, torch::Device device = torch::kCPU);

  // The stream of that name, created on first use. The same handle every time: draws advance it.
  at::Generator stream(const std::string& name);
  // As above, but always on the CPU: for draws that must not depend on the device (permutations, initial weights).
  at::Generator cpu_stream(const std::string& name);

  std::uint64_t run_seed() const { return run_seed_; }

  void save(StateWriter writer) const;
  void load(const StateReader& reader);

 private:
  at::Generator make(const std::string& name, torch::Device device) const;

  std::uint64_t run_seed_;
  torch::Device device_;
  std::map<std::string, at::Generator> streams_;
};

}  // namespace drystill
