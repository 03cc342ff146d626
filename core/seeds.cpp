#include "core/seeds.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <sstream>

#include "core/error.h"

namespace drystill {
namespace {

// FNV-1a over the name, then SplitMix64: streams of neighbouring seeds and names share no visible structure.
std::uint64_t stream_seed(std::uint64_t run_seed, const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const unsigned char c : name) hash = (hash ^ c) * 0x100000001b3ULL;
  std::uint64_t z = run_seed * 0x9e3779b97f4a7c15ULL + hash;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

SeedStreams::SeedStreams(std::uint64_t run_seed, torch::Device device) : run_seed_(run_seed), device_(device) {}

at::Generator SeedStreams::make(const std::string& name, torch::Device device) const {
  at::Generator generator =
      device.is_cpu() ? at::detail::createCPUGenerator() : at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(stream_seed(run_seed_, name));
  return generator;
}

at::Generator SeedStreams::stream(const std::string& name) {
  auto found = streams_.find(name);
  if (found == streams_.end()) found = streams_.emplace(name, make(name, device_)).first;
  return found->second;
}

at::Generator SeedStreams::cpu_stream(const std::string& name) {
  const std::string key = "cpu:" + name;
  auto found = streams_.find(key);
  if (found == streams_.end()) found = streams_.emplace(key, make(name, torch::kCPU)).first;
  return found->second;
}

void SeedStreams::save(StateWriter writer) const {
  writer.text("run_seed", std::to_string(run_seed_));
  std::string names;
  for (const auto& [name, generator] : streams_) {
    names += name + "\n";
    writer.tensor(name, generator.get_state());
  }
  writer.text("names", names);
}

void SeedStreams::load(const StateReader& reader) {
  const std::string saved_seed = reader.text("run_seed");
  if (saved_seed != std::to_string(run_seed_)) {
    throw InputError("the saved run used seed " + saved_seed + ", this one uses " + std::to_string(run_seed_));
  }
  std::istringstream names(reader.text("names"));
  for (std::string name; std::getline(names, name);) {
    const bool on_cpu = name.starts_with("cpu:");
    at::Generator generator = on_cpu ? cpu_stream(name.substr(4)) : stream(name);
    generator.set_state(reader.tensor(name).contiguous());
  }
}

}  // namespace drystill
