// drystill report: one self-contained page about one or many runs.
#include "journal/report.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/console.h"
#include "apps/help.h"
#include "io/atomic_file.h"

namespace drystill::apps {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string out;
  bool markdown = false;
};

void report(const ReportArguments& arguments, const Console& console) {
  std::vector<journal::RunRecord> runs;
  for (const auto& run : arguments.runs) runs.push_back(journal::load_run(run));
  if (console.json) {
    console.print(journal::summary_table(runs).to_json());
    return;
  }
  if (arguments.markdown) {
    console.print(journal::markdown_report(runs));
    return;
  }
  const std::filesystem::path out = !arguments.out.empty() ? std::filesystem::path(arguments.out)
                                    : arguments.runs.size() == 1
                                        ? std::filesystem::path(arguments.runs[0]) / "report.html"
                                        : std::filesystem::path("report.html");
  io::write_file(out, journal::html_report(runs));
  console.result({{"report", out.string()}});
}

}  // namespace

void add_report(CLI::App& app, const Console& console) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* verb = app.add_subcommand("report", "one HTML page: results, curves, sample grids, configurations");
  verb->add_option("runs", arguments->runs, "run folders")->required();
  verb->add_option("-o,--out", arguments->out, "file to write; default RUN/report.html, report.html for several runs");
  verb->add_flag("--markdown", arguments->markdown, "Markdown on standard output instead");
  set_examples(*verb, {"report runs/cudfkd_resnet8", "report runs/seed_0 runs/seed_1 -o seeds.html"});
  verb->callback([arguments, &console] { report(*arguments, console); });
}

}  // namespace drystill::apps
