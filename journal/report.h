#pragma once

#include <string>
#include <vector>

#include "journal/run_record.h"
#include "journal/table.h"

namespace drystill::journal {

struct ReportOptions {
  std::string title = "Drystill report";
  int grids_per_run = 4;  // of each name: the first, the last, and some between
};

// One row a run: state, steps, accuracy at the last step, its mean and variance over the run, the best (labelled as
// what it is), agreement, loyalty, teacher, seed, time. A column that no run has a value for is left out.
Table summary_table(const std::vector<RunRecord>& runs);

// Runs whose configurations differ in the seed only: mean and deviation of the last-step accuracy, agreement and
// loyalty. No row where no two runs belong together.
Table seed_table(const std::vector<RunRecord>& runs);

// The configuration keys that are not the same in all runs, one column a run.
Table difference_table(const std::vector<RunRecord>& runs);

// One page that needs nothing else: style, curves (SVG) and sample grids (base64) are inside, scripts there are none.
// Light or dark as the reader's system is. Everything that came from a run is escaped.
std::string html_report(const std::vector<RunRecord>& runs, const ReportOptions& options = {});

// The tables, configurations and commands for a terminal or a repository.
std::string markdown_report(const std::vector<RunRecord>& runs, const ReportOptions& options = {});

}  // namespace drystill::journal
