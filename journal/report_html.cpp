#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "journal/html_text.h"
#include "journal/png_info.h"
#include "journal/report.h"
#include "journal/svg_plot.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

constexpr std::uint64_t kLargestPicture = 16 << 20;  // bytes; a page must still open

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page:#f6f7f9; --card:#fff; --text:#1c2430; --muted:#5f6b7a; --line:#e3e7ec; --accent:#2563c9; }
@media (prefers-color-scheme: dark) {
  :root { --page:#12161c; --card:#1a2029; --text:#e6eaf0; --muted:#97a3b3; --line:#2c3540; --accent:#6ea8ff; }
}
* { box-sizing:border-box; }
body { margin:0; background:var(--page); color:var(--text); font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif; }
main { max-width:1180px; margin:0 auto; padding:28px 20px 60px; }
h1 { font-size:25px; margin:0 0 4px; } h2 { font-size:18px; margin:34px 0 10px; } h3 { font-size:15px; margin:18px 0 6px; }
p.note { color:var(--muted); font-size:13px; margin:6px 0; }
.card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:14px 16px; margin:0 0 14px; overflow-x:auto; }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(150px,1fr)); gap:12px; margin:16px 0; }
.tile { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:10px 14px; }
.tile b { display:block; font-size:23px; font-variant-numeric:tabular-nums; } .tile span { color:var(--muted); font-size:13px; }
.plots { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr)); gap:14px; }
.plots .card { margin:0; padding:8px; }
.legend { display:flex; flex-wrap:wrap; gap:4px 18px; margin:0 0 12px; font-size:14px; }
.legend i { display:inline-block; width:18px; height:0; border-top:3px solid var(--c); vertical-align:middle; margin-right:6px; }
.legend .dashed i { border-top-style:dashed; }
table { border-collapse:collapse; font-size:14px; width:100%; font-variant-numeric:tabular-nums; }
th,td { text-align:left; padding:6px 10px; border-bottom:1px solid var(--line); white-space:nowrap; }
th { color:var(--muted); font-weight:600; font-size:13px; vertical-align:bottom; white-space:normal; }
tr:last-child td { border-bottom:0; } .number { text-align:right; } td.wrap { white-space:normal; overflow-wrap:anywhere; }
.grids { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr)); gap:14px; }
figure { margin:0; } figure img { width:100%; border-radius:6px; border:1px solid var(--line); image-rendering:pixelated; }
figcaption { color:var(--muted); font-size:13px; }
details { margin:8px 0; } summary { cursor:pointer; color:var(--accent); font-weight:600; font-size:14px; }
pre { font:12.5px/1.5 ui-monospace,"DejaVu Sans Mono",monospace; white-space:pre-wrap; overflow-wrap:anywhere; margin:8px 0; }
)css";

std::string table_html(const Table& table) {
  std::string html = "<div class=\"card\"><table><thead><tr>";
  const auto opened = [&](const char* tag, std::size_t column) {
    return std::string("<") + tag + (table.is_numeric(column) ? " class=\"number\">" : ">");
  };
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    html += opened("th", c) + escape_html(table.columns()[c].name) + "</th>";
  }
  html += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < table.rows().size(); ++r) {
    html += "<tr>";
    for (std::size_t c = 0; c < table.columns().size(); ++c) {
      html += opened("td", c) + escape_html(table.text_of(r, c)) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

// The figures of a single run, large.
std::string tiles(const Table& summary) {
  std::string html = "<div class=\"tiles\">";
  for (std::size_t c = 1; c < summary.columns().size(); ++c) {
    html += "<div class=\"tile\"><b>" + escape_html(summary.text_of(0, c)) + "</b><span>" +
            escape_html(summary.columns()[c].name) + "</span></div>";
  }
  return html + "</div>\n";
}

std::string colour_class(std::size_t run) {
  return "s" + std::to_string(run % kPlotColours) + (run / kPlotColours % 2 == 1 ? " dashed" : "");
}

std::string legend(const std::vector<RunRecord>& runs) {
  std::string html = "<div class=\"legend\">";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    html += "<span class=\"" + colour_class(i) + "\"><i></i>" + escape_html(runs[i].name) + "</span>";
  }
  return html + "</div>\n";
}

// One plot a measured number, one curve a run. What is measured on real data comes first.
std::string curves(const std::vector<RunRecord>& runs) {
  std::vector<std::pair<std::string, std::string>> names;
  std::set<std::pair<std::string, std::string>> seen;
  for (const auto& run : runs) {
    for (const auto& series : run.series) {
      if (seen.emplace(series.group, series.name).second) names.emplace_back(series.group, series.name);
    }
  }
  std::stable_partition(names.begin(), names.end(), [](const auto& name) { return name.first == kEvalGroup; });
  if (names.empty()) return "<p class=\"note\">No metrics were recorded.</p>\n";

  std::string html = runs.size() > 1 ? legend(runs) : "";
  html += "<div class=\"plots\">\n";
  for (const auto& [group, name] : names) {
    std::vector<Curve> overlaid;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Series* series = find_series(runs[i].series, group, name);
      if (series == nullptr) continue;
      Curve curve{.label = runs[i].name, .colour = i, .points = {}};
      for (const auto& point : series->points) curve.points.emplace_back(static_cast<double>(point.step), point.value);
      overlaid.push_back(std::move(curve));
    }
    const std::string title = std::string(group).append("/").append(name);
    html.append("<div class=\"card\">")
        .append(svg_plot(overlaid, {.title = title, .x_label = "step"}))
        .append("</div>\n");
  }
  return html +
         "</div>\n<p class=\"note\">Curves of many points show the mean of equal stretches; the band reaches from "
         "the least to the largest value of each.</p>\n";
}

// Of many: the first, the last, and some evenly between.
std::vector<SamplePicture> thinned(const std::vector<SamplePicture>& all, int most) {
  const auto count = static_cast<std::size_t>(std::max(most, 1));
  if (all.size() <= count) return all;
  if (count == 1) return {all.back()};
  std::vector<SamplePicture> chosen;
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(all[i * (all.size() - 1) / (count - 1)]);
  return chosen;
}

std::string figure(const SamplePicture& picture) {
  const std::string caption = escape_html(picture.name) + ", step " + std::to_string(picture.step);
  std::string png;
  try {
    png = read_text(picture.path, kLargestPicture);
  } catch (const InputError&) {
    return "<figure><figcaption>" + caption + ": could not be read</figcaption></figure>\n";
  }
  const auto info = read_png_info(png);
  if (!info) return "<figure><figcaption>" + caption + ": not a PNG picture</figcaption></figure>\n";
  return "<figure><img alt=\"" + caption + "\" width=\"" + std::to_string(info->width) +
         "\" src=\"data:image/png;base64," + base64(png) + "\"><figcaption>" + caption + "</figcaption></figure>\n";
}

std::string grids(const RunRecord& run, int most) {
  std::map<std::string, std::vector<SamplePicture>> by_name;
  for (const auto& sample : run.samples) by_name[sample.name].push_back(sample);
  std::string html;
  for (const auto& [name, all] : by_name) {
    for (const auto& picture : thinned(all, most)) html += figure(picture);
  }
  return html.empty() ? "" : "<div class=\"grids\">" + html + "</div>\n";
}

std::string differences(const std::vector<RunRecord>& runs) {
  const Table table = difference_table(runs);
  return table.rows().empty() ? "<p class=\"note\">The configurations are equal.</p>\n" : table_html(table);
}

std::string details(const std::string& title, const std::string& text) {
  if (text.empty()) return "";
  return "<details><summary>" + title + "</summary><pre>" + escape_html(text) + "</pre></details>\n";
}

std::string provenance(const RunRecord& run) {
  std::string html = "<div class=\"card\"><h3>" + escape_html(run.name) + "</h3>";
  if (run.status) {
    html += "<p class=\"note\">" + escape_html(run.state()) + ", begun " + escape_html(run.status->started) +
            ", last written " + escape_html(run.status->updated) + "</p>";
    if (!run.status->message.empty()) html += "<p>" + escape_html(run.status->message) + "</p>";
  }
  for (const auto& command : run.commands) html += "<pre>$ " + escape_html(command) + "</pre>";
  html += details("Configuration", run.config);
  if (!run.environment.empty()) {
    html += "<details><summary>Environment</summary><table>";
    for (const auto& [name, value] : run.environment) {
      html += "<tr><th>" + escape_html(name) + "</th><td class=\"wrap\">" + escape_html(value) + "</td></tr>";
    }
    html += "</table></details>";
  }
  return html + "</div>\n";
}

}  // namespace

std::string html_report(const std::vector<RunRecord>& runs, const ReportOptions& options) {
  const std::string title = escape_html(options.title);
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" +
      title + "</title><style>" + plot_style() + std::string(kStyle) + "</style></head><body><main>\n<h1>" + title +
      "</h1>\n";
  const Table summary = summary_table(runs);
  html += "<p class=\"note\">" + std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs") +
          ". The result is the last step: without validation data nobody could have stopped at the best one.</p>\n";
  html += runs.size() == 1 ? tiles(summary) : table_html(summary);

  const Table seeds = seed_table(runs);
  if (!seeds.rows().empty()) html += "<h2>Over seeds</h2>\n" + table_html(seeds);
  html += "<h2>Curves</h2>\n" + curves(runs);

  std::string samples;
  for (const auto& run : runs) {
    const std::string pictures = grids(run, options.grids_per_run);
    if (pictures.empty()) continue;
    samples += "<div class=\"card\">" + (runs.size() > 1 ? "<h3>" + escape_html(run.name) + "</h3>" : "") + pictures +
               "</div>\n";
  }
  if (!samples.empty()) html += "<h2>Synthesized samples</h2>\n" + samples;
  if (runs.size() > 1) html += "<h2>Configuration differences</h2>\n" + differences(runs);
  html += "<h2>Provenance</h2>\n";
  for (const auto& run : runs) html += provenance(run);
  return html + "</main></body></html>\n";
}

}  // namespace drystill::journal
