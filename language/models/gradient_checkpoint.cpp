#include "language/models/gradient_checkpoint.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace drystill::language {
namespace {

using Segment = std::function<torch::Tensor(const torch::Tensor&)>;

struct SegmentHolder : torch::CustomClassHolder {
  explicit SegmentHolder(Segment function) : segment(std::move(function)) {}
  Segment segment;
};

struct Recompute : torch::autograd::Function<Recompute> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const Segment& segment,
                               const torch::Tensor& x, at::TensorList captured) {
    context->saved_data["segment"] = c10::IValue::make_capsule(c10::make_intrusive<SegmentHolder>(segment));
    torch::autograd::variable_list saved = {x};
    saved.insert(saved.end(), captured.begin(), captured.end());
    context->save_for_backward(saved);
    return segment(x);  // gradients are off in here
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto holder = c10::static_intrusive_pointer_cast<SegmentHolder>(context->saved_data["segment"].toCapsule());
    torch::autograd::variable_list inputs;
    std::vector<std::size_t> places;  // of `inputs` among what is returned
    torch::autograd::variable_list result(1 + saved.size());
    const torch::Tensor x = saved.front().detach().requires_grad_(saved.front().requires_grad());
    if (x.requires_grad()) {
      inputs.push_back(x);
      places.push_back(1);
    }
    for (std::size_t i = 1; i < saved.size(); ++i) {
      if (!saved[i].requires_grad()) continue;
      inputs.push_back(saved[i]);
      places.push_back(i + 1);
    }
    torch::autograd::variable_list found;
    {
      const torch::AutoGradMode with_gradients(true);
      const auto y = holder->segment(x);
      found = torch::autograd::grad({y}, inputs, {gradients.front()}, /*retain_graph=*/false, /*create_graph=*/false,
                                    /*allow_unused=*/true);
    }
    for (std::size_t i = 0; i < found.size(); ++i) result[places[i]] = found[i];
    return result;
  }
};

}  // namespace

torch::Tensor checkpointed(const Segment& segment, const torch::Tensor& x, const std::vector<torch::Tensor>& captured) {
  return Recompute::apply(segment, x, at::TensorList(captured));
}

}  // namespace drystill::language
