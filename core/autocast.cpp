#include "core/autocast.h"

#include <ATen/autocast_mode.h>

namespace drystill {

Bfloat16Scope::Bfloat16Scope(bool enabled, torch::Device device)
    : device_(device.type()),
      enabled_(enabled),
      was_enabled_(at::autocast::is_autocast_enabled(device.type())),
      previous_type_(at::autocast::get_autocast_dtype(device.type())) {
  if (!enabled_) return;
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
}

Bfloat16Scope::~Bfloat16Scope() {
  if (!enabled_) return;
  // The outermost scope drops the cache of weights cast to bfloat16: the optimiser is about to change them.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, previous_type_);
}

}  // namespace drystill
