#include <algorithm>

#include "journal/report.h"

namespace drystill::journal {
namespace {

// A fence longer than any run of backticks inside, so that no text can end it.
std::string fenced(const std::string& text, std::string_view language) {
  std::size_t longest = 0, current = 0;
  for (const char c : text) {
    current = c == '`' ? current + 1 : 0;
    longest = std::max(longest, current);
  }
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  return fence + std::string(language) + "\n" + text + (text.ends_with('\n') ? "" : "\n") + fence + "\n";
}

}  // namespace

std::string markdown_report(const std::vector<RunRecord>& runs, const ReportOptions& options) {
  std::string text = "# " + options.title + "\n\n" + summary_table(runs).to_markdown() +
                     "\nThe result is the last step: without validation data nobody could have stopped at the best "
                     "one.\n";
  const Table seeds = seed_table(runs);
  if (!seeds.rows().empty()) text += "\n## Over seeds\n\n" + seeds.to_markdown();

  if (runs.size() > 1) {
    const Table differences = difference_table(runs);
    if (!differences.rows().empty()) text += "\n## Configuration differences\n\n" + differences.to_markdown();
  }
  for (const auto& run : runs) {
    text += "\n## " + run.name + "\n\n";
    std::string commands;
    for (const auto& command : run.commands) commands += command + "\n";
    if (!commands.empty()) text += fenced(commands, "sh") + "\n";
    if (!run.config.empty()) text += fenced(run.config, "yaml") + "\n";
    for (const auto& [name, value] : run.environment) {
      text.append("- ").append(name).append(": ").append(value).append("\n");
    }
  }
  return text;
}

}  // namespace drystill::journal
