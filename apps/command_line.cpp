#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/failure.h"
#include "apps/help.h"
#include "apps/version.h"
#include "core/error.h"
#include "core/stop_request.h"

namespace drystill::apps {
namespace {

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "drystill: %s\n", message.c_str());
  return static_cast<int>(code);
}

std::string command_text(int argc, char** argv) {
  std::string text = "drystill";
  for (int i = 1; i < argc; ++i) text += " " + shell_quoted(argv[i]);
  return text;
}

// A nearest-match hint for a verb that does not exist; CLI11 only says that it was not expected.
std::string unknown_verb_hint(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> verbs;
  for (const auto* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("-")) continue;
    if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return {};
    const std::string near = nearest_name(word, verbs);
    return "unknown verb '" + word + "'" + (near.empty() ? "" : " (did you mean '" + near + "'?)") +
           "; see `drystill --help`";
  }
  return {};
}

// What --help and --version ask for.
int print_answer(const CLI::App& app, const CLI::Success& request) {
  std::ostringstream text;
  const int code = app.exit(request, text, std::cerr);
  write_output(text.str());
  return code;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return static_cast<int>(ExitCode::kOk);
  } catch (const CLI::Success& request) {
    return print_answer(app, request);
  } catch (const CLI::ParseError& error) {
    const std::string hint = unknown_verb_hint(app, argc, argv);
    return fail(ExitCode::kUsage, hint.empty() ? std::string(error.what()) + "; see `drystill --help`" : hint);
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  Console console;
  console.command = command_text(argc, argv);

  CLI::App app{"Drystill distils neural networks without their training data."};
  app.name("drystill");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);
  app.fallthrough();
  app.add_flag("--json", console.json, "results as JSON on standard output");
  app.add_flag("-q,--quiet", console.quiet, "no progress bar");
  set_examples(app, {"distill configs/vision/fashion_mnist/cudfkd_resnet8.yaml --set seed=1",
                     "evaluate runs/cudfkd_resnet8", "generate MODEL --prompt 'Name three colours.'", "VERB --help"});
  add_run_verbs(app, console);
  add_synthesize(app, console);
  add_evaluate(app, console);
  add_report(app, console);
  add_inspect(app, console);
  add_convert(app, console);
  add_prune(app, console);
  add_tokenize(app, console);
  add_generate(app, console);
  add_score(app, console);
  add_config(app, console);
  add_list(app, console);
  add_doctor(app, console);

  // Verbs that look at the request between two pieces of work. The others simply end by the signal.
  for (const char* verb : {"generate", "score"}) {
    app.get_subcommand(verb)->preparse_callback([](std::size_t) { install_stop_handlers(); });
  }
  // What is to be saved does not end because nobody reads its progress any more.
  for (const char* verb : {"distill", "train", "synthesize", "prune"}) {
    app.get_subcommand(verb)->preparse_callback([](std::size_t) {
      install_stop_handlers();
      std::signal(SIGPIPE, SIG_IGN);
    });
  }

  try {
    return parse_and_run(app, argc, argv);
  } catch (const Interrupted& stop) {
    std::fprintf(stderr, "drystill: %s\n", stop.what());
    return 128 + stop.signal();
  } catch (const std::exception& exception) {
    const Failure failure = failure_of(exception);
    return fail(failure.code, failure.message);
  }
}

}  // namespace drystill::apps
