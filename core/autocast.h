#pragma once

#include <torch/types.h>

namespace drystill {

// While alive and `enabled`: convolutions and matrix products of that device run in bfloat16, the rest as autocast
// decides; parameters stay fp32. Restores what was before.
class Bfloat16Scope {
 public:
  Bfloat16Scope(bool enabled, torch::Device device);
  ~Bfloat16Scope();
  Bfloat16Scope(const Bfloat16Scope&) = delete;
  Bfloat16Scope& operator=(const Bfloat16Scope&) = delete;

 private:
  c10::DeviceType device_;
  bool enabled_;
  bool was_enabled_;
  c10::ScalarType previous_type_;
};

}  // namespace drystill
