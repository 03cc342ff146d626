#include "vision/classifier_file.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/model_file.h"
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

std::string resolve_architecture(const ModelOptions& options, const std::string& recorded) {
  if (options.architecture.empty() && recorded.empty()) {
    throw ConfigError(options.checkpoint.empty()
                          ? std::string("the model has neither 'architecture' nor 'checkpoint'; name one")
                          : options.checkpoint +
                                ": does not say what architecture it holds; set 'architecture' beside "
                                "'checkpoint'");
  }
  if (!options.architecture.empty() && !recorded.empty() && options.architecture != recorded) {
    throw InputError(options.checkpoint + ": holds a " + recorded + ", the configuration asks for a " +
                     options.architecture);
  }
  return options.architecture.empty() ? recorded : options.architecture;
}

ImageSpec resolve_input(const ModelOptions& options, const std::optional<ImageSpec>& configured,
                        const std::string& recorded) {
  if (recorded.empty()) {
    if (configured) return *configured;
    throw ConfigError((options.checkpoint.empty() ? "a fresh model" : options.checkpoint) +
                      ": nothing says its image size, classes and normalisation; add 'input:' to the configuration");
  }
  const ImageSpec stored = image_spec_from_json(recorded, options.checkpoint);
  if (!configured) return stored;
  if (configured->classes != stored.classes) {
    throw InputError(options.checkpoint + ": has " + std::to_string(stored.classes) + " classes, " +
                     std::to_string(configured->classes) + " are expected");
  }
  if (configured->channels != stored.channels || configured->height != stored.height ||
      configured->width != stored.width || configured->mean != stored.mean || configured->stddev != stored.stddev) {
    throw InputError(options.checkpoint + ": was trained on input " + to_json(stored) + ", expected is " +
                     to_json(*configured));
  }
  return stored;
}

}  // namespace

LoadedClassifier load_classifier(const ModelOptions& options, const std::optional<ImageSpec>& input,
                                 at::Generator generator) {
  io::TensorFile file;
  if (!options.checkpoint.empty()) file = io::read_model(options.checkpoint);
  LoadedClassifier loaded;
  loaded.architecture = resolve_architecture(options, metadata_or_empty(file, kArchitecture));
  loaded.input = resolve_input(options, input, metadata_or_empty(file, kInput));
  loaded.model = make_classifier(loaded.architecture, loaded.input, generator);
  if (!options.checkpoint.empty()) io::load_into(*loaded.model, file.tensors, options.checkpoint);
  loaded.metadata = std::move(file.metadata);
  return loaded;
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
                         ", expected 1 to " + std::to_string(maximum));
      }
    };
    limit("channels", input.channels, 64);
    limit("height", input.height, 4096);
    limit("width", input.width, 4096);
    limit("classes", input.classes, 100'000);
    if (const auto problems = input.problems(); !problems.empty()) {
      throw InputError(source + ": metadata drystill.input: '" + problems.front().field + "' " +
                       problems.front().message);
    }
    return input;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(source + ": metadata drystill.input is damaged: " + error.what());
  }
}

}  // namespace drystill::vision
