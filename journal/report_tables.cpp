#include <algorithm>
#include <cmath>
#include <map>

#include "core/progress.h"
#include "journal/config_text.h"
#include "journal/report.h"
#include "journal/summary.h"

namespace drystill::journal {
namespace {

std::optional<SeriesSummary> eval_summary(const RunRecord& run, std::string_view name) {
  const Series* series = find_series(run.series, kEvalGroup, name);
  return series == nullptr ? std::nullopt : summarise(*series);
}

Cell last_of(const RunRecord& run, std::string_view name) {
  const auto summary = eval_summary(run, name);
  return summary ? Cell(summary->last) : Cell();
}

// Without the columns in which every cell is empty.
Table without_empty_columns(const Table& table) {
  std::vector<std::size_t> kept;
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    const bool used = std::any_of(table.rows().begin(), table.rows().end(),
                                  [&](const auto& row) { return !std::holds_alternative<std::monostate>(row[c]); });
    if (used || table.rows().empty()) kept.push_back(c);
  }
  std::vector<Column> columns;
  columns.reserve(kept.size());
  for (const std::size_t c : kept) columns.push_back(table.columns()[c]);
  Table result(columns);
  for (const auto& row : table.rows()) {
    std::vector<Cell> cells;
    cells.reserve(kept.size());
    for (const std::size_t c : kept) cells.push_back(row[c]);
    result.add_row(std::move(cells));
  }
  return result;
}

// Whether a repetition may have another value: what a run is called, and where it is computed.
bool is_incidental(std::string_view key) {
  if (key.starts_with("run.")) key.remove_prefix(4);
  return key == "seed" || key == "name" || key == "device" || key == "threads";
}

// The configuration with everything a repetition may change taken out.
std::string identity_of(const RunRecord& run) {
  std::string identity;
  for (const auto& [key, value] : flatten_config(run.config)) {
    if (!is_incidental(key)) identity.append(key).append("=").append(value).append("\n");
  }
  return identity;
}

Cell text_or_nothing(const std::string& text) {
  return text.empty() ? Cell() : Cell(text);
}

}  // namespace

Table summary_table(const std::vector<RunRecord>& runs) {
  Table table({{.name = "run"},
               {.name = "state"},
               {.name = "steps"},
               {.name = "accuracy (last)", .decimals = 2, .percent = true},
               {.name = "teacher", .decimals = 2, .percent = true},
               {.name = "agreement", .decimals = 2, .percent = true},
               {.name = "loyalty", .decimals = 4},
               {.name = "KL (last)", .decimals = 4},
               {.name = "perplexity", .decimals = 2},
               {.name = "teacher perplexity", .decimals = 2},
               {.name = "mean over run", .decimals = 2, .percent = true},
               {.name = "variance over run", .decimals = 6},
               {.name = std::string(kBestLabel), .decimals = 2, .percent = true},
               {.name = "seed"},
               {.name = "time"}});
  for (const auto& run : runs) {
    const auto accuracy = eval_summary(run, kAccuracy);
    table.add_row({run.name, run.state(), run.steps(), last_of(run, kAccuracy), last_of(run, kTeacherAccuracy),
                   last_of(run, kAgreement), last_of(run, kLoyalty), last_of(run, kKl), last_of(run, kPerplexity),
                   last_of(run, kTeacherPerplexity), accuracy ? Cell(accuracy->mean) : Cell(),
                   accuracy ? Cell(accuracy->variance) : Cell(), accuracy ? Cell(accuracy->best) : Cell(),
                   text_or_nothing(run.seed()), format_duration(run.seconds())});
  }
  return without_empty_columns(table);
}

Table seed_table(const std::vector<RunRecord>& runs) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const RunRecord*>> groups;
  for (const auto& run : runs) {
    auto& group = groups[identity_of(run)];
    if (group.empty()) order.push_back(identity_of(run));
    group.push_back(&run);
  }
  Table table({{.name = "runs"},
               {.name = "count"},
               {.name = "accuracy (last), mean", .decimals = 2, .percent = true},
               {.name = "± sd", .decimals = 2, .percent = true},
               {.name = "agreement, mean", .decimals = 2, .percent = true},
               {.name = "loyalty, mean", .decimals = 4},
               {.name = "KL (last), mean", .decimals = 4},
               {.name = "± sd of KL", .decimals = 4},
               {.name = "perplexity, mean", .decimals = 2}});
  for (const auto& identity : order) {
    const auto& group = groups[identity];
    if (group.size() < 2) continue;
    // A repetition without the number makes the mean of the others meaningless: no cell then.
    const auto over = [&](std::string_view name) -> std::optional<MeanDeviation> {
      std::vector<double> values;
      for (const auto* run : group) {
        const auto summary = eval_summary(*run, name);
        if (!summary) return std::nullopt;
        values.push_back(summary->last);
      }
      return mean_deviation(values);
    };
    const auto mean_cell = [&](std::string_view name) {
      const auto both = over(name);
      return both ? Cell(both->mean) : Cell();
    };
    const auto deviation_cell = [&](std::string_view name) {
      const auto both = over(name);
      return both ? Cell(both->deviation) : Cell();
    };
    std::string names;
    for (const auto* run : group) names += (names.empty() ? "" : ", ") + run->name;
    table.add_row({names, static_cast<std::int64_t>(group.size()), mean_cell(kAccuracy), deviation_cell(kAccuracy),
                   mean_cell(kAgreement), mean_cell(kLoyalty), mean_cell(kKl), deviation_cell(kKl),
                   mean_cell(kPerplexity)});
  }
  return table.rows().empty() ? table : without_empty_columns(table);
}

Table difference_table(const std::vector<RunRecord>& runs) {
  std::vector<Column> columns{{.name = "key"}};
  std::vector<std::string> configs;
  for (const auto& run : runs) {
    columns.push_back({.name = run.name});
    configs.push_back(run.config);
  }
  Table table(columns);
  for (const auto& difference : config_differences(configs)) {
    std::vector<Cell> cells{difference.key};
    for (const auto& value : difference.values) cells.push_back(text_or_nothing(value));
    table.add_row(std::move(cells));
  }
  return table;
}

}  // namespace drystill::journal
