#include "kernels/second_order.h"

#include <c10/core/GradMode.h>

#include <string>

#include "core/error.h"

namespace drystill::kernels {

void refuse_second_order(const char* where) {
  if (c10::GradMode::is_enabled()) {
    throw RunError(std::string("[") + where +
                   "] the gradient of a gradient (create_graph) is not supported; use the _reference function");
  }
}

}  // namespace drystill::kernels
