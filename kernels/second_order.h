#pragma once

namespace drystill::kernels {

// Called by every hand-written backward pass. Gradients are recorded in there only when the caller asked for the
// gradient of a gradient, which these kernels would get wrong in silence. Throws RunError, naming `where`.
void refuse_second_order(const char* where);

}  // namespace drystill::kernels
