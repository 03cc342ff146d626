// drystill list: the names that configurations use.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "core/error.h"
#include "distiller/options.h"
#include "vision/architectures.h"

namespace drystill::apps {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

template <class Enum>
void add_enum(Names& names, const std::string& key) {
  std::string values;
  for (const auto value : enum_names(Enum{})) values += (values.empty() ? "" : ", ") + std::string(value);
  names.emplace_back(key, values);
}

// The keys of an option struct.
template <class Options>
void add_fields(Names& names, const std::string& key) {
  std::string values;
  Options().visit(
      [&values](std::string_view name, const auto&...) { values += (values.empty() ? "" : ", ") + std::string(name); });
  names.emplace_back(key, values);
}

template <class Variant, std::size_t... I>
std::string alternatives(std::index_sequence<I...>) {
  std::string values;
  ((values += (I > 0 ? ", " : "") + std::string(std::variant_alternative_t<I, Variant>::kName)), ...);
  return values;
}

template <class Variant>
std::string alternatives() {
  return alternatives<Variant>(std::make_index_sequence<std::variant_size_v<Variant>>());
}

// The first comment line of each file in configs/presets of the working directory.
Names presets() {
  const std::filesystem::path folder = "configs/presets";
  if (!std::filesystem::is_directory(folder)) {
    throw InputError("configs/presets: no such folder here; run this in a checkout of Drystill");
  }
  Names names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::string line;
    std::getline(file, line);
    names.emplace_back(entry.path().string(), line.starts_with("# ") ? line.substr(2) : "");
  }
  std::ranges::sort(names);
  return names;
}

// What a language run is composed of: docs/methods/views.md.
void add_language_methods(Names& names) {
  names.emplace_back("rollout.prompts.method", alternatives<generator::PromptOptions>());
  add_enum<generator::Author>(names, "rollout.author");
  names.emplace_back("rollout.verifier.method", alternatives<generator::VerifierOptions>());
  add_enum<generator::Keep>(names, "rollout.keep");
  add_fields<generator::AdversarialPrefixOptions>(names, "rollout.adversarial_prefix");
  names.emplace_back("teacher.weights.weights", alternatives<distiller::TeacherWeights>());
  add_fields<language::ViewOptions>(names, "teacher_view, student_view");
  names.emplace_back("trainable.method", alternatives<distiller::TrainableOptions>());
  add_enum<kernels::TokenDivergenceKind>(names, "loss.divergence.kind");
  add_enum<kernels::TokenSupport>(names, "loss.divergence.support");
  add_enum<kernels::TokenRemainder>(names, "loss.divergence.remainder");
  add_enum<kernels::PolicySurrogate>(names, "loss.advantage.surrogate");
  add_enum<distiller::Aggregation>(names, "loss.aggregation");
}

Names names_of(const std::string& kind) {
  Names names;
  if (kind == "models") {
    for (const auto& model : vision::kClassifiers) names.emplace_back(model.name, model.description);
  } else if (kind == "datasets") {
    names.emplace_back("format", alternatives<vision::DatasetOptions>());
  } else if (kind == "losses") {
    add_enum<distiller::LossKind>(names, "loss.kind");
    add_enum<generator::Adversary>(names, "generator.objective.adversary");
  } else if (kind == "methods") {
    names.emplace_back("task", alternatives<distiller::RunConfig>());
    names.emplace_back("generator.method", alternatives<generator::SynthesizerOptions>());
    names.emplace_back("curriculum.method", alternatives<curriculum::SchedulerOptions>());
    add_enum<curriculum::Pacing>(names, "curriculum.pacing");
    names.emplace_back("optimizer.method", alternatives<OptimizerOptions>());
    add_enum<distiller::ScheduleKind>(names, "schedule.kind");
    add_language_methods(names);
  } else {
    names = presets();
  }
  return names;
}

}  // namespace

void add_list(CLI::App& app, const Console& console) {
  auto kind = std::make_shared<std::string>();
  CLI::App* verb =
      app.add_subcommand("list", "names that configurations use: methods, models, datasets, losses, presets");
  verb->add_option("kind", *kind, "methods, models, datasets, losses or presets")
      ->required()
      ->check(CLI::IsMember({"methods", "models", "datasets", "losses", "presets"}));
  set_examples(*verb, {"list presets", "list methods --json"});
  verb->callback([kind, &console] {
    const Names names = names_of(*kind);
    console.result(Fields(names.begin(), names.end()));
  });
}

}  // namespace drystill::apps
