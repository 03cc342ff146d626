// drystill inspect: what a model file holds.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "io/model_file.h"
#include "io/quote.h"
#include "journal/table.h"

namespace drystill::apps {
namespace {

std::string shortened(const std::string& text) {
  constexpr std::size_t kLongest = 200;  // recipes are whole configuration files; --json shows all
  const std::string line = text.substr(0, text.find('\n'));
  return line.size() == text.size() && line.size() <= kLongest ? line : line.substr(0, kLongest) + " ...";
}

void inspect(const std::string& path, const Console& console) {
  const io::FileDescription file = io::describe_model(path);
  if (console.json) {
    nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
    for (const auto& tensor : file.tensors) {
      tensors.push_back(
          {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
    }
    const nlohmann::ordered_json object = {{"format", file.format},
                                           {"file_bytes", file.file_bytes},
                                           {"parameters", file.parameters},
                                           {"metadata", file.metadata},
                                           {"tensors", tensors}};
    console.print(object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  journal::Table table({{.name = "tensor"}, {.name = "dtype"}, {.name = "shape"}, {.name = "bytes"}});
  for (const auto& tensor : file.tensors) {
    table.add_row({tensor.name, tensor.dtype, io::shape_text(tensor.shape), static_cast<std::int64_t>(tensor.bytes)});
  }
  console.print(table.to_text());
  Fields facts = {{"format", file.format},
                  {"file_bytes", static_cast<std::int64_t>(file.file_bytes)},
                  {"tensors", std::ssize(file.tensors)},
                  {"parameters", static_cast<std::int64_t>(file.parameters)}};
  for (const auto& [name, value] : file.metadata) facts.emplace_back(name, shortened(value));
  console.result(facts);
}

}  // namespace

void add_inspect(CLI::App& app, const Console& console) {
  auto path = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand(
      "inspect", "tensors, types and metadata of a .safetensors, .gguf, .pth or .pt file or a Hugging Face folder");
  verb->add_option("file", *path, "model file or folder")->required();
  set_examples(*verb, {"inspect models/fashion_mnist_resnet20.safetensors", "inspect MODEL.gguf --json"});
  verb->callback([path, &console] { inspect(*path, console); });
}

}  // namespace drystill::apps
