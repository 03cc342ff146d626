// drystill evaluate: accuracy, agreement and loyalty, or divergence and perplexity, on real held-out data.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "configs/run_config.h"
#include "core/device.h"
#include "core/error.h"
#include "core/threads.h"
#include "distiller/evaluator.h"
#include "distiller/language/runs.h"
#include "journal/run_folder.h"
#include "language/datasets/text_files.h"
#include "vision/classifier_file.h"
#include "vision/zoo.h"

namespace drystill::apps {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  std::string run;
  std::string model;
  std::vector<std::string> sets;
};

// What is evaluated, on what, against whom.
struct Subject {
  vision::ModelOptions model;
  std::optional<vision::ModelOptions> teacher;
  std::optional<vision::ImageSpec> input;
  std::optional<vision::DatasetOptions> data;
  std::string device;
  std::int64_t threads = 0;
  std::string key;  // what names the model in the configuration
};

Subject subject_of(const distiller::RunConfig& config, const fs::path& run_folder) {
  Subject subject;
  if (const auto* distill = std::get_if<distiller::DistillClassifier>(&config)) {
    subject = {distill->student,    distill->teacher,     distill->input,      distill->evaluation,
               distill->run.device, distill->run.threads, "student.checkpoint"};
    if (!run_folder.empty()) subject.model.checkpoint = (run_folder / "student.safetensors").string();
  } else {
    const auto& train = std::get<distiller::TrainClassifier>(config);
    subject = {train.model,      train.teacher,     train.input,       train.data,
               train.run.device, train.run.threads, "model.checkpoint"};
    if (!run_folder.empty()) subject.model.checkpoint = (run_folder / "model.safetensors").string();
  }
  return subject;
}

// The model to evaluate: the one that was named, or what the run left.
std::string named_or_left(const std::string& named, const std::string& left, const fs::path& run_folder,
                          const fs::path& config) {
  if (!named.empty()) return named;
  if (left.empty()) throw ConfigError(config.string() + ": names no trained model; give a run folder, or --model");
  if (!run_folder.empty() && !fs::exists(left)) {
    throw InputError(run_folder.string() + ": this run is not finished, there is no " + left +
                     "; continue it with --resume");
  }
  return left;
}

template <class Options>
void evaluate_language(const Options& options, const std::string& model, const fs::path& config,
                       const Console& console) {
  if (!options.evaluation) throw ConfigError(config.string() + ": names no real held-out text; add `evaluation:`");
  limit_threads(options.run.threads);
  const auto result = distiller::evaluate_language_model(options, model, language::read_text_files);
  Fields fields = {{"model", model}, {"test_tokens", result.tokens}};
  for (const auto& [name, value] : result.metrics) fields.emplace_back(name, Decimal{value});
  console.result(fields);
}

// A model or a folder without a run read as a configuration gives errors about its bytes.
void check_what_is_evaluated(const std::string& run) {
  if (journal::is_run_folder(run)) return;
  std::error_code unknown;
  if (!fs::exists(run, unknown)) {
    throw InputError(run + ": there is no such run folder or configuration file; mend the path");
  }
  if (fs::is_directory(run, unknown)) {
    throw InputError(run + ": the folder holds no run (no config.yaml); a model is given as --model, behind the " +
                     "configuration that names the held-out data");
  }
  const std::string extension = fs::path(run).extension().string();
  for (const char* of_models : {".safetensors", ".pth", ".pt", ".gguf"}) {
    if (extension != of_models) continue;
    throw ConfigError(run + ": is a model, expected a run folder or a configuration; name the configuration that has " +
                      "the held-out data: drystill evaluate CONFIG --model " + shell_quoted(run));
  }
}

void evaluate(const EvaluateArguments& arguments, const Console& console) {
  check_what_is_evaluated(arguments.run);
  const bool is_run = journal::is_run_folder(arguments.run);
  const fs::path folder = is_run ? fs::path(arguments.run) : fs::path();
  const fs::path config = is_run ? folder / "config.yaml" : fs::path(arguments.run);
  const auto loaded = configs::load_run_config(config, arguments.sets).config;
  const auto evaluate_trained = [&](const auto& options, const char* trained) {
    const std::string left = is_run ? (folder / trained).string() : "";
    evaluate_language(options, named_or_left(arguments.model, left, folder, config), config, console);
  };
  if (const auto* distill = std::get_if<distiller::DistillLanguageModel>(&loaded)) {
    return evaluate_trained(*distill, "student");
  }
  if (const auto* train = std::get_if<distiller::TrainLanguageModel>(&loaded)) {
    return evaluate_trained(*train, "model");
  }
  Subject subject = subject_of(loaded, folder);
  if (!arguments.model.empty()) {
    // A file that says what it holds may be of any architecture; of one that does not, the configuration knows it.
    if (!vision::recorded_architecture(arguments.model, "--model").empty()) subject.model.architecture.clear();
    subject.model.checkpoint = arguments.model;
  }
  subject.model.checkpoint = named_or_left(arguments.model, subject.model.checkpoint, folder, config);
  if (!subject.data) {
    throw ConfigError(config.string() + ": names no real held-out data; add `evaluation:`");
  }

  limit_threads(subject.threads);
  const torch::Device device = parse_device(subject.device);
  SeedStreams seeds(0, device);
  std::optional<vision::LoadedClassifier> teacher;
  if (subject.teacher && !subject.teacher->checkpoint.empty()) {
    teacher = vision::load_classifier(*subject.teacher, subject.input, seeds.cpu_stream("teacher.initialisation"),
                                      "teacher.checkpoint");
    teacher->model->to(device);
    subject.input = teacher->input;
  }
  auto student = vision::load_classifier(subject.model, subject.input, seeds.cpu_stream("student.initialisation"),
                                         arguments.model.empty() ? subject.key : "--model");
  student.model->to(device);
  distiller::Evaluator evaluator(vision::open_dataset(*subject.data, vision::Split::kTest,
                                                      {.channels = student.input.channels,
                                                       .height = student.input.height,
                                                       .width = student.input.width,
                                                       .classes = student.input.classes}),
                                 student.input, device);
  const auto result = evaluator.evaluate(*student.model, teacher ? teacher->model.get() : nullptr);

  Fields fields = {{"model", subject.model.checkpoint},
                   {"architecture", student.architecture},
                   {"parameters", vision::count_parameters(*student.model)},
                   {"test_images", result.images}};
  for (const auto& [name, value] : result.metrics()) fields.emplace_back(name, Decimal{value});
  console.result(fields);
}

}  // namespace

void add_evaluate(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* verb =
      app.add_subcommand("evaluate", "accuracy, agreement with the teacher or perplexity on real held-out data");
  verb->add_option("run", arguments->run, "run folder, or configuration file")->required();
  verb->add_option("--model", arguments->model,
                   "evaluate this model (a file; of language models a folder or .gguf) instead of the run's");
  verb->add_option("--set", arguments->sets, "change one value: a.b=c; may be repeated")->allow_extra_args(false);
  set_examples(*verb, {"evaluate runs/cudfkd_resnet8",
                       "evaluate configs/language/smollm2_half.yaml --model runs/smollm2_half/student"});
  verb->callback([arguments, &console] { evaluate(*arguments, console); });
}

}  // namespace drystill::apps
