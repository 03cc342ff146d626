// drystill config show|check|schema: what a configuration says, and what may stand in one.
#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "configs/run_config.h"

namespace drystill::apps {
namespace {

struct ConfigArguments {
  std::string file;
  std::vector<std::string> sets;
  bool minimal = false;
  bool origins = false;
  bool markdown = false;
};

void add_file(CLI::App* verb, const std::shared_ptr<ConfigArguments>& arguments) {
  verb->add_option("config", arguments->file, "configuration file (YAML)")->required();
  verb->add_option("--set", arguments->sets, "change one value: a.b=c; may be repeated")->allow_extra_args(false);
}

}  // namespace

void add_config(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* verb = app.add_subcommand("config", "show, check or describe configurations");
  verb->require_subcommand(1);
  // Before `show` and the others are added: they take it over.
  set_examples(*verb, {"config check configs/language/smollm2_half.yaml",
                       "config show configs/vision/fashion_mnist/cudfkd_resnet8.yaml --origin",
                       "config schema > drystill.schema.json"});

  CLI::App* show = verb->add_subcommand("show", "every value after base files and --set, ready to run again");
  add_file(show, arguments);
  show->add_flag("--minimal", arguments->minimal, "only what differs from the defaults");
  show->add_flag("--origin", arguments->origins, "say behind every value where it was written");
  show->callback([arguments, &console] {
    console.print(
        configs::show_config(configs::load_run_config(arguments->file, arguments->sets),
                             {.format = console.json ? configs::ShowFormat::kJson : configs::ShowFormat::kYaml,
                              .minimal = arguments->minimal,
                              .origins = arguments->origins}));
  });

  CLI::App* check = verb->add_subcommand("check", "report every mistake at once; says ok where there is none");
  add_file(check, arguments);
  check->callback([arguments, &console] {
    const auto loaded = configs::load_run_config(arguments->file, arguments->sets);
    console.result({{"config", arguments->file}, {"task", configs::task_name(loaded.config)}, {"result", "ok"}});
  });

  CLI::App* schema = verb->add_subcommand("schema", "JSON Schema of all configurations, for editors");
  schema->add_flag("--markdown", arguments->markdown, "tables of every key instead");
  schema->callback([arguments, &console] {
    console.print(arguments->markdown ? configs::run_config_reference() : configs::run_config_schema());
  });
}

}  // namespace drystill::apps
