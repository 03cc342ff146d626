// drystill distill, drystill train: one run from a configuration file.
#include <ATen/Parallel.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <exception>
#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/failure.h"
#include "apps/help.h"
#include "apps/version.h"
#include "configs/run_config.h"
#include "core/device.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/threads.h"
#include "core/utf8.h"
#include "distiller/classifier_runs.h"
#include "distiller/language/runs.h"
#include "io/checkpoint.h"
#include "io/quote.h"
#include "journal/journal.h"
#include "journal/run_folder.h"
#include "language/datasets/text_files.h"

namespace drystill::apps {
namespace {

namespace fs = std::filesystem;

struct RunArguments {
  std::string config;
  std::vector<std::string> sets;
  std::string out;
  std::string resume;
  std::string on_exists;
  bool dry_run = false;
};

distiller::RunOptions& run_options(distiller::RunConfig& config) {
  return std::visit([](auto& options) -> distiller::RunOptions& { return options.run; }, config);
}

std::unique_ptr<distiller::PreparedRun> prepare(const distiller::RunConfig& config,
                                                const distiller::RunInputs& inputs) {
  return std::visit([&](const auto& options) { return distiller::prepare(options, inputs); }, config);
}

bool is_users_mistake(const std::exception& exception) {
  const auto* error = dynamic_cast<const Error*>(&exception);
  return error != nullptr && (error->code() == ExitCode::kUsage || error->code() == ExitCode::kInput);
}

// Of the newest checkpoint that can be used; 0 where none can.
std::int64_t step_to_resume(const journal::RunFolder& folder) {
  try {
    const auto newest = io::latest_checkpoint(folder.checkpoints());
    return newest ? io::checkpoint_step(*newest) : 0;
  } catch (const InputError&) {
    return 0;
  }
}

// Writes why a run ended. Where that fails as well, on a full disk say, the first error is the one to tell: this one is
// only a warning.
void leave_outcome(journal::RunFolder& folder, journal::RunState state, const std::string& message,
                   Progress& progress) {
  try {
    folder.set_status(state, step_to_resume(folder), message);
  } catch (const std::exception& exception) {
    progress.message("warning: status.json does not tell how the run ended: " + failure_of(exception).message);
  }
}

// Runs, and leaves the outcome in status.json whatever happens; but where a mistake of the user's ends the run before
// it has anything to show, the folder is taken back: the corrected command would find it in its way.
distiller::TrainingResult run_and_record(const distiller::RunConfig& config, journal::RunFolder& folder,
                                         const distiller::RunEnvironment& environment) {
  const auto leave = [&](journal::RunState state, const std::string& message) {
    leave_outcome(folder, state, message, environment.progress);
  };
  try {
    auto result = prepare(config, environment.inputs())->run(environment);
    folder.set_status(journal::RunState::kFinished, result.loop.steps);
    return result;
  } catch (const Interrupted& stop) {
    leave(journal::RunState::kInterrupted, stop.what());
    throw Interrupted(stop.signal(), "go on with --resume " + folder.path().string());
  } catch (const DivergedError& error) {
    leave(journal::RunState::kDiverged, error.what());
    throw;
  } catch (const std::exception& error) {
    if (!is_users_mistake(error) || !folder.remove_if_unused())
      leave(journal::RunState::kFailed, failure_of(error).message);
    throw;
  }
}

Fields summary(const distiller::TrainingResult& result, const journal::RunFolder& folder, double seconds) {
  Fields fields = {{"run", folder.path().string()}, {"model", result.model.string()}, {"steps", result.loop.steps}};
  for (const auto& [name, value] : result.loop.last_evaluation) fields.emplace_back(name, Decimal{value});
  for (const auto& [name, count] : result.counts) fields.emplace_back(name, count);
  fields.emplace_back("seconds", Decimal{seconds, 1});
  return fields;
}

// What creating the run folder would do.
std::string fate_of(const fs::path& path, journal::OnExists policy) {
  switch (journal::look_at_folder(path)) {
    case journal::FolderState::kFree:
      return "new";
    case journal::FolderState::kFile:
      return "there: refused, it is a file";
    case journal::FolderState::kOther:
      return policy == journal::OnExists::kNew ? "there: a numbered one beside it"
                                               : "there: refused, it holds files but no run";
    case journal::FolderState::kRun:
      break;
  }
  switch (policy) {
    case journal::OnExists::kResume:
      return "there: the run in it goes on";
    case journal::OnExists::kNew:
      return "there: a numbered one beside it";
    case journal::OnExists::kError:
      return "there: refused without --on-exists resume or new";
  }
  return {};
}

// A plan holds texts; those that are whole numbers count something.
Value plan_value(const std::string& text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, count);
  return parsed.ec == std::errc() && parsed.ptr == end ? Value(count) : Value(text);
}

// Everything that a run does before its first step, and nothing written.
void show_plan(const distiller::RunConfig& config, const fs::path& folder, const std::string& fate,
               const Console& console) {
  const auto progress = make_stderr_progress(console.quiet);
  const auto prepared = prepare(
      config, {.progress = *progress, .open_dataset = vision::open_dataset, .open_texts = language::read_text_files});
  const distiller::LoopOptions loop = std::visit([](const auto& options) { return options.run.loop; }, config);
  Fields fields = {
      {"task", configs::task_name(config)}, {"run", folder.string()}, {"folder", fate}, {"steps", loop.total_steps()}};
  for (const auto& [name, fact] : prepared->plan()) fields.emplace_back(name, plan_value(fact));
  console.result(fields);
}

// Whether the run in `path` has that configuration, read as it is today: an older program's file lacks the keys that
// came later, and their defaults are what it did.
bool has_config(const fs::path& path, const distiller::RunConfig& config) {
  try {
    return configs::load_run_config(path / "config.yaml").config == config;
  } catch (const ConfigError&) {  // a key of it is gone, say: the comparison of the texts tells where
    return false;
  }
}

// A name goes below runs/, into files and onto the terminal.
void check_name(const std::string& name, const fs::path& config) {
  const bool plain = name != "." && name != ".." &&
                     std::ranges::none_of(name, [](unsigned char c) { return c == '/' || c < 0x20 || c == 0x7F; });
  if (plain) return;
  throw ConfigError(config.string() +
                    ": 'name' must be the name of a folder, without '/' and control characters, got " +
                    io::quote(name) + "; choose another, and a folder elsewhere with --out");
}

// A run that got somewhere and has nothing left to go on from would begin anew, over its own results.
void check_there_is_something_to_resume(const fs::path& path) {
  const auto status = journal::read_status(path);
  std::error_code none;
  if (!status || status->step == 0) return;
  const auto checkpoints = fs::directory_iterator(path / "checkpoints", none);
  if (!none && checkpoints != fs::directory_iterator()) return;
  throw InputError(path.string() + ": the run is at step " + std::to_string(status->step) +
                   ", and its checkpoints are gone: nothing can go on; begin another with --on-exists new");
}

void run_verb(const std::vector<std::string>& tasks, const RunArguments& arguments, const Console& console) {
  if (arguments.config.empty() == arguments.resume.empty()) {
    throw ConfigError("give either a configuration file or --resume RUN");
  }
  const bool resume = !arguments.resume.empty();
  if (resume && !(arguments.out.empty() && arguments.on_exists.empty())) {
    throw ConfigError((arguments.out.empty() ? std::string("--on-exists") : std::string("--out")) +
                      ": has no meaning beside --resume, which goes on in " + arguments.resume + "; leave it out");
  }
  const fs::path config_path = resume ? fs::path(arguments.resume) / "config.yaml" : fs::path(arguments.config);
  if (resume && !journal::is_run_folder(arguments.resume)) {
    throw InputError(arguments.resume + ": no run to resume here");
  }
  configs::LoadedConfig loaded = configs::load_run_config(config_path, arguments.sets);
  const std::string found = configs::task_name(loaded.config);
  if (std::ranges::find(tasks, found) == tasks.end()) {
    throw ConfigError(config_path.string() + ": its task is '" + found + "', this verb runs '" +
                      fmt::format("{}", fmt::join(tasks, "' and '")) + "'");
  }
  distiller::RunOptions& options = run_options(loaded.config);
  if (options.name.empty()) {
    // It goes into config.yaml and the model's metadata, and those are UTF-8.
    options.name = valid_utf8(config_path.stem().string());
  }
  if (!resume) check_name(options.name, config_path);
  const fs::path path = resume                  ? fs::path(arguments.resume)
                        : arguments.out.empty() ? fs::path("runs") / options.name
                                                : fs::path(arguments.out);

  const auto policy = resume || arguments.on_exists == "resume" ? journal::OnExists::kResume
                      : arguments.on_exists == "new"            ? journal::OnExists::kNew
                                                                : journal::OnExists::kError;
  if (arguments.dry_run) return show_plan(loaded.config, path, fate_of(path, policy), console);

  limit_threads(options.threads);
  const std::string device = parse_device(options.device).str();
  if (policy == journal::OnExists::kResume && journal::is_run_folder(path)) check_there_is_something_to_resume(path);
  const std::string recipe = configs::resolved_yaml(loaded.config);
  const bool is_same =
      policy == journal::OnExists::kResume && journal::is_run_folder(path) && has_config(path, loaded.config);
  const journal::RunFacts facts{.config = is_same ? "" : recipe,
                                .command = console.command,
                                .git_revision = revision(),
                                .threads = at::get_num_threads(),
                                .versions = {{"drystill", version()}, {"device", device}}};
  journal::RunFolder folder =
      resume || is_same ? journal::RunFolder::resume(path, facts) : journal::RunFolder::create(path, policy, facts);

  const auto progress = make_stderr_progress(console.quiet);
  journal::JournalOptions journal_options;
  journal_options.progress = progress.get();
  journal::Journal journal(folder, journal_options);
  const auto result = run_and_record(loaded.config, folder,
                                     {.folder = folder.path(),
                                      .journal = journal,
                                      .progress = *progress,
                                      .open_dataset = vision::open_dataset,
                                      .open_texts = language::read_text_files,
                                      .recipe = recipe,
                                      .command = folder.first_command()});
  console.result(summary(result, folder, journal.seconds()));
}

void add_run_verb(CLI::App& app, const Console& console, const char* name, const std::vector<std::string>& tasks,
                  const char* description, std::initializer_list<std::string_view> examples) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* verb = app.add_subcommand(name, description);
  verb->add_option("config", arguments->config, "configuration file (YAML)");
  verb->add_option("--set", arguments->sets, "change one value: a.b=c; may be repeated")->allow_extra_args(false);
  verb->add_option("-o,--out", arguments->out, "run folder; default runs/<name>")->check(refuse_empty);
  verb->add_option("--resume", arguments->resume, "continue the run in this folder")->check(refuse_empty);
  verb->add_option("--on-exists", arguments->on_exists, "where the run folder exists: error (default), resume or new")
      ->check(CLI::IsMember({"error", "resume", "new"}));
  verb->add_flag("--dry-run", arguments->dry_run, "load models and data, show what would run, write nothing and stop");
  set_examples(*verb, examples);
  verb->callback([arguments, &console, tasks] { run_verb(tasks, *arguments, console); });
}

}  // namespace

void add_run_verbs(CLI::App& app, const Console& console) {
  add_run_verb(app, console, "distill", {"distill_classifier", "distill_language_model"},
               "a student from a teacher, without its training data",
               {"distill configs/vision/fashion_mnist/cudfkd_resnet8.yaml --set seed=1",
                "distill --resume runs/cudfkd_resnet8"});
  add_run_verb(app, console, "train", {"train_classifier", "train_language_model"},
               "a classifier or language model on real data: a teacher, or a student to compare",
               {"train configs/vision/fashion_mnist/teacher_resnet20.yaml",
                "train configs/language/worlds/markov_teacher.yaml --out runs/markov"});
}

}  // namespace drystill::apps
