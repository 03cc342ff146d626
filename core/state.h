#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace drystill {

// Everything a run needs to continue, by name: tensors and short text values. `io` writes it as safetensors.
struct State {
  std::map<std::string, torch::Tensor> tensors;
  std::map<std::string, std::string> values;
};

// Collects a component's state under a name prefix. Tensors are copied to the CPU when written, so that a checkpoint
// can be saved while training goes on.
class StateWriter {
 public:
  explicit StateWriter(State& state, std::string prefix = {}) : state_(state), prefix_(std::move(prefix)) {}

  // A writer for a part: its names begin with "<prefix><name>.".
  StateWriter part(std::string_view name) const;

  void tensor(std::string_view name, const torch::Tensor& value);
  void integer(std::string_view name, std::int64_t value);
  void real(std::string_view name, double value);  // exact: hexadecimal floating point
  void text(std::string_view name, std::string value);
  // Parameters and buffers of a module, under their state-dict names.
  void module(std::string_view name, const torch::nn::Module& value);

 private:
  State& state_;
  std::string prefix_;
};

// Reads back what a StateWriter wrote. A missing name, or a tensor of another shape, throws InputError naming it.
class StateReader {
 public:
  explicit StateReader(const State& state, std::string prefix = {}) : state_(state), prefix_(std::move(prefix)) {}

  StateReader part(std::string_view name) const;

  bool has_tensor(std::string_view name) const;
  torch::Tensor tensor(std::string_view name) const;  // a view of the stored tensor, on the CPU
  void copy_into(std::string_view name,
                 const torch::Tensor& destination) const;  // checks shape; moves device, keeps dtype
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  std::string text(std::string_view name) const;
  void module(std::string_view name, torch::nn::Module& destination) const;

 private:
  const std::string& value(std::string_view name) const;

  const State& state_;
  std::string prefix_;
};

}  // namespace drystill
