// drystill convert: a model file into another format, a language model into a folder in the form of Hugging Face.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "core/error.h"
#include "io/model_file.h"
#include "io/quote.h"
#include "language/adapters/trained_part.h"
#include "language/load_language_model.h"

namespace drystill::apps {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  std::string in, out;
  std::string dtype = "keep";
  bool force = false;
};

// Nothing: as it is stored.
std::optional<torch::ScalarType> dtype_of(const std::string& name) {
  if (name == "float32") return torch::kFloat32;
  if (name == "bfloat16") return torch::kBFloat16;
  if (name == "float16") return torch::kHalf;
  return std::nullopt;
}

bool is_language_model(const fs::path& in) {
  return fs::exists(in / "config.json") || in.extension() == ".gguf";
}

// Whether OUT is to be a folder of Hugging Face, by its name and by what IN is: nothing is read yet. The name of a
// model may have a dot (Qwen2.5-0.5B), so any ending but a file's says so.
bool is_folder(const ConvertArguments& arguments) {
  const fs::path in = arguments.in, out = arguments.out;
  const std::string extension = out.extension().string();
  if (fs::is_directory(out) || !out.has_filename() || extension.empty()) return true;
  if (extension == ".safetensors" || extension == ".pth" || extension == ".pt") return false;
  const bool known = extension == ".gguf" || extension == ".bin";  // read, but not written
  if (!known && (is_language_model(in) || !fs::exists(in))) return true;
  throw ConfigError("convert: " + io::quote(arguments.out) + " ends in " + io::quote(extension) +
                    ", which is not written; expected .safetensors, .pth or .pt" +
                    (is_language_model(in) ? ", or the name of a folder" : ""));
}

std::int64_t write_folder(const ConvertArguments& arguments) {
  const fs::path in = arguments.in, out = arguments.out;
  if (fs::exists(in) && !is_language_model(in)) {
    throw InputError(
        io::quote(arguments.in) +
        " does not say what kind of language model it is; expected a .gguf "
        "file or a folder with config.json for a folder, or an OUT that ends in .safetensors, .pth or .pt");
  }
  if (fs::exists(in) && fs::exists(out) && fs::equivalent(in, out))
    throw ConfigError("convert: IN and OUT are the same folder");
  if (language::TrainedPart::is_in(out)) {
    throw InputError(io::quote(arguments.out) + " holds an adapter or a prefix, which would be laid over the model; " +
                     "choose another folder");
  }
  const auto loaded = language::load_language_model(in, dtype_of(arguments.dtype));
  language::save_language_model(out, *loaded.model, in);
  return std::ssize(loaded.model->parameters());
}

std::int64_t write_file(const ConvertArguments& arguments) {
  io::TensorFile file = io::read_model(arguments.in);
  if (const auto dtype = dtype_of(arguments.dtype)) {
    for (auto& [name, tensor] : file.tensors) {
      if (tensor.is_floating_point()) tensor = tensor.to(*dtype);
    }
  }
  io::write_model(arguments.out, file);
  return std::ssize(file.tensors);
}

void convert(const ConvertArguments& arguments, const Console& console) {
  if (fs::exists(arguments.out) && !arguments.force) {
    throw ConfigError(arguments.out + ": exists; choose another name, or --force to replace it");
  }
  const std::int64_t tensors = is_folder(arguments) ? write_folder(arguments) : write_file(arguments);
  console.result({{"written", arguments.out}, {"tensors", tensors}});
}

}  // namespace

void add_convert(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App* verb = app.add_subcommand("convert", "a model file into another format, by the extension of OUT");
  verb->add_option("in", arguments->in,
                   "model file or Hugging Face folder to read; quantised GGUF tensors become float32")
      ->required();
  verb->add_option("out", arguments->out,
                   "file to write: .safetensors, .pth or .pt (for Python's torch.load); any other name is a Hugging "
                   "Face folder with the tokenizer, of a language model")
      ->required();
  verb->add_option("--dtype", arguments->dtype, "of floating-point tensors: keep, float32, bfloat16 or float16")
      ->check(CLI::IsMember({"keep", "float32", "bfloat16", "float16"}))
      ->capture_default_str();
  verb->add_flag("--force", arguments->force,
                 "replace OUT where it exists; in a folder, the model's and the tokenizer's files only");
  set_examples(*verb, {"convert SmolLM2-135M-Instruct.Q4_1.gguf smollm2 --dtype bfloat16",
                       "convert teacher.safetensors teacher.pth"});
  verb->callback([arguments, &console] { convert(*arguments, console); });
}

}  // namespace drystill::apps
