#include "language/models/layer_subset.h"

#include "core/error.h"

namespace drystill::language {
namespace {

// "model.layers.3.mlp.up_proj.weight" with 7 in place of 3; names of no layer stay.
std::string with_layer(const std::string& name, const std::string& stack, const std::vector<std::int64_t>& layers) {
  if (!name.starts_with(stack)) return name;
  const auto dot = name.find('.', stack.size());
  const auto index = static_cast<std::size_t>(std::stoll(name.substr(stack.size(), dot - stack.size())));
  return stack + std::to_string(layers[index]) + name.substr(dot);
}

}  // namespace

std::shared_ptr<CausalLm> make_from_layers(const CausalLm& teacher, const std::vector<std::int64_t>& layers) {
  auto options = teacher.options();
  for (const auto index : layers) {
    if (index < 0 || index >= options.layers) {
      throw ConfigError("[language.make_from_layers] layer " + std::to_string(index) + ", the teacher has 0 to " +
                        std::to_string(options.layers - 1));
    }
  }
  options.layers = static_cast<std::int64_t>(layers.size());
  auto student = std::make_shared<CausalLm>(options, teacher.input_weight().options().requires_grad(false));
  const std::string stack = options.family == Family::kGpt2 ? "transformer.h." : "model.layers.";
  const auto sources = teacher.named_parameters();
  const torch::NoGradGuard no_grad;
  for (auto& item : student->named_parameters()) item.value().copy_(sources[with_layer(item.key(), stack, layers)]);
  return student;
}

}  // namespace drystill::language
