#include "vision/classifier_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/error.h"
#include "core/placed_error.h"
#include "io/model_file.h"
#include "io/quote.h"
#include "io/state_dict.h"
#include "vision/zoo.h"

namespace drystill::vision {
namespace {

constexpr const char* kArchitecture = "drystill.architecture";
constexpr const char* kInput = "drystill.input";

std::string metadata_or_empty(const io::TensorFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? std::string() : found->second;
}

// "teacher.checkpoint: 'resnet8.pth'"
std::string subject(const std::string& key, const ModelOptions& options) {
  return key + ": " + (options.checkpoint.empty() ? "a fresh model" : io::quote(options.checkpoint));
}

void check_is_there(const std::string& checkpoint, const std::string& key) {
  std::error_code unknown;  // whatever it is, opening it says so
  if (!std::filesystem::exists(checkpoint, unknown) && !unknown) {
    throw InputError(key + ": cannot read " + io::quote(checkpoint) + ": there is no such file; mend the path, which " +
                     "begins at " + io::quote(std::filesystem::current_path(unknown).string()) +
                     " where it does not begin with /");
  }
}

io::TensorFile read_checkpoint(const std::string& checkpoint, const std::string& key) {
  check_is_there(checkpoint, key);
  return with_place(key, [&] { return io::read_model(checkpoint); });
}

std::string resolve_architecture(const ModelOptions& options, const std::string& recorded, const std::string& key) {
  if (options.architecture.empty() && recorded.empty()) {
    throw ConfigError(subject(key, options) + (options.checkpoint.empty()
                                                   ? " needs 'architecture' beside it; else name a checkpoint"
                                                   : " does not say what architecture it holds; set 'architecture' "
                                                     "beside it"));
  }
  if (!options.architecture.empty() && !recorded.empty() && options.architecture != recorded) {
    throw InputError(subject(key, options) + " holds a " + io::quote(recorded) +
                     ", 'architecture' beside it asks for a " + io::quote(options.architecture) +
                     "; leave 'architecture' out, or name another file");
  }
  if (!options.architecture.empty()) return options.architecture;
  const auto is_known = [&](const ClassifierInfo& classifier) { return classifier.name == recorded; };
  if (std::none_of(kClassifiers.begin(), kClassifiers.end(), is_known)) {
    throw InputError(
        subject(key, options) + " holds a " + io::quote(recorded) +
        ", which `drystill list models` does not have; set 'architecture' beside it, or name another file");
  }
  return recorded;
}

ImageSpec resolve_input(const ModelOptions& options, const std::optional<ImageSpec>& configured,
                        const std::string& recorded, const std::string& key) {
  if (recorded.empty()) {
    if (configured) return *configured;
    throw ConfigError(subject(key, options) +
                      ": nothing says its image size, classes and normalisation; add 'input:' to the configuration");
  }
  ImageSpec stored = with_place(key, [&] { return image_spec_from_json(recorded, io::quote(options.checkpoint)); });
  if (!configured) return stored;
  if (stored.class_names.empty()) stored.class_names = configured->class_names;
  if (configured->classes != stored.classes) {
    const std::string theirs = std::to_string(stored.classes);
    throw InputError(subject(key, options) + " has " + theirs + " classes, expected " +
                     std::to_string(configured->classes) +
                     " (input.classes, else the teacher's); set input.classes to " + theirs + ", or name another file");
  }
  if (configured->channels != stored.channels || configured->height != stored.height ||
      configured->width != stored.width || configured->mean != stored.mean || configured->stddev != stored.stddev) {
    throw InputError(subject(key, options) + " was trained on input " + to_json(stored) + ", expected " +
                     to_json(*configured) + " (`input`, else the teacher's); leave `input` out, or name another file");
  }
  if (!configured->class_names.empty() && configured->class_names != stored.class_names) {
    const auto [theirs, expected] =
        std::mismatch(stored.class_names.begin(), stored.class_names.end(), configured->class_names.begin());
    throw InputError(subject(key, options) + " calls class " + std::to_string(theirs - stored.class_names.begin()) +
                     " " + io::quote(*theirs) + ", expected " + io::quote(*expected) +
                     " (input.class_names, else the teacher's); leave class_names out, or name another file");
  }
  return stored;
}

// A model whose weights are no numbers may well answer: a rectifier takes NaN for 0.
void check_values(const Classifier& model, const std::string& checkpoint) {
  for (const auto& [name, tensor] : io::state_dict(model)) {
    if (!tensor.is_floating_point()) continue;
    const bool is_variance = name.ends_with("running_var");
    if (tensor.isfinite().all().item<bool>() && !(is_variance && tensor.lt(0).any().item<bool>())) continue;
    throw InputError(io::quote(checkpoint) + ": tensor " + io::quote(name) + " holds " +
                     (is_variance ? "a negative variance, NaN or infinity" : "NaN or infinity") +
                     ", expected numbers; take an undamaged file");
  }
}

}  // namespace

LoadedClassifier load_classifier(const ModelOptions& options, const std::optional<ImageSpec>& input,
                                 at::Generator generator, const std::string& key) {
  io::TensorFile file;
  if (!options.checkpoint.empty()) file = read_checkpoint(options.checkpoint, key);
  LoadedClassifier loaded;
  loaded.architecture = resolve_architecture(options, metadata_or_empty(file, kArchitecture), key);
  loaded.input = resolve_input(options, input, metadata_or_empty(file, kInput), key);
  loaded.model = make_classifier(loaded.architecture, loaded.input, generator);
  if (!options.checkpoint.empty()) {
    with_place(key, [&] {
      io::load_into(*loaded.model, file.tensors, options.checkpoint);
      check_values(*loaded.model, options.checkpoint);
    });
  }
  loaded.metadata = std::move(file.metadata);
  return loaded;
}

std::string recorded_architecture(const std::string& checkpoint, const std::string& key) {
  check_is_there(checkpoint, key);
  const auto described = with_place(key, [&] { return io::describe_model(checkpoint); });
  const auto found = described.metadata.find(kArchitecture);
  return found == described.metadata.end() ? std::string() : found->second;
}

void save_classifier(const std::filesystem::path& path, const Classifier& model, const std::string& architecture,
                     const ImageSpec& input, std::map<std::string, std::string> extra) {
  extra[kArchitecture] = architecture;
  extra[kInput] = to_json(input);
  io::write_model(path, {.tensors = io::state_dict(model), .metadata = std::move(extra)});
}

std::string to_json(const ImageSpec& input) {
  nlohmann::ordered_json json = {{"channels", input.channels}, {"height", input.height}, {"width", input.width},
                                 {"classes", input.classes},   {"mean", input.mean},     {"stddev", input.stddev}};
  if (!input.class_names.empty()) json["class_names"] = input.class_names;
  return json.dump();
}

ImageSpec image_spec_from_json(const std::string& json, const std::string& source) {
  constexpr const char* kMend = "; write the file again, or take one without metadata and give `input`";
  try {
    const auto object = nlohmann::json::parse(json);
    ImageSpec input;
    input.channels = object.at("channels").get<std::int64_t>();
    input.height = object.at("height").get<std::int64_t>();
    input.width = object.at("width").get<std::int64_t>();
    input.classes = object.at("classes").get<std::int64_t>();
    input.mean = object.at("mean").get<std::vector<double>>();
    input.stddev = object.at("stddev").get<std::vector<double>>();
    input.class_names = object.value("class_names", std::vector<std::string>());
    const auto limit = [&](const char* name, std::int64_t value, std::int64_t maximum) {
      if (value < 1 || value > maximum) {
        throw InputError(source + ": metadata drystill.input has " + name + " = " + std::to_string(value) +
                         ", expected 1 to " + std::to_string(maximum) + kMend);
      }
    };
    limit("channels", input.channels, 64);
    limit("height", input.height, 4096);
    limit("width", input.width, 4096);
    limit("classes", input.classes, 100'000);
    if (const auto problems = input.problems(); !problems.empty()) {
      throw InputError(source + ": metadata drystill.input: '" + problems.front().field + "' " +
                       problems.front().message + kMend);
    }
    return input;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(source + ": metadata drystill.input is damaged: " + error.what() + kMend);
  }
}

}  // namespace drystill::vision
