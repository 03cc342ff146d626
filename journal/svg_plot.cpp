#include "journal/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "journal/html_text.h"

namespace drystill::journal {
namespace {

constexpr int kLeft = 56, kRight = 14, kTop = 30, kBottom = 38;
constexpr std::size_t kMostPoints = 240;  // more than a plot of this width can show
constexpr std::size_t kMarkedPoints = 40;

// What is drawn of one stretch of a curve.
struct Stroke {
  double x, mean, low, high;
};
using Strokes = std::vector<Stroke>;

std::string number(const char* pattern, double value) {
  std::array<char, 64> buffer;
  std::snprintf(buffer.data(), buffer.size(), pattern, value);
  return buffer.data();
}

// Tenths of a pixel are as fine as a screen shows.
std::string pixel(double value) {
  return number("%.1f", value);
}

// Unbroken runs of finite points, shortened where there are more than a plot can show.
std::vector<Strokes> strokes_of(const Curve& curve) {
  const std::size_t bucket = (curve.points.size() + kMostPoints - 1) / kMostPoints;
  std::vector<Strokes> runs(1);
  for (std::size_t i = 0; i < curve.points.size(); i += bucket) {
    double x = 0, sum = 0;
    double low = std::numeric_limits<double>::infinity(), high = -low;
    std::size_t count = 0;
    for (std::size_t k = i; k < std::min(i + bucket, curve.points.size()); ++k) {
      const auto [px, py] = curve.points[k];
      if (!std::isfinite(px) || !std::isfinite(py)) continue;
      x += px;
      sum += py;
      low = std::min(low, py);
      high = std::max(high, py);
      ++count;
    }
    if (count > 0) {
      runs.back().push_back({x / static_cast<double>(count), sum / static_cast<double>(count), low, high});
    } else if (!runs.back().empty()) {
      runs.emplace_back();
    }
  }
  if (runs.back().empty()) runs.pop_back();
  return runs;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // A single value still needs a width to be drawn in.
  void widen(double share) {
    const double extent = high - low;
    const double margin = extent > 0 ? share * extent : std::max(std::abs(high) * 0.05, 1e-12);
    if (extent > 0 && share == 0) return;
    low -= margin;
    high += margin;
  }
};

class Canvas {
 public:
  Canvas(const PlotOptions& options, Range x, Range y) : options_(options), x_(x), y_(y) {}

  double at_x(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (options_.width - kLeft - kRight);
  }
  double at_y(double value) const {
    const double clamped = std::clamp(value, y_.low, y_.high);  // a band may reach beyond the axis
    return options_.height - kBottom - (clamped - y_.low) / (y_.high - y_.low) * (options_.height - kTop - kBottom);
  }

  std::string axes() const {
    std::string svg;
    const double right = options_.width - kRight, bottom = options_.height - kBottom;
    const auto grid_line = [&](double tick) {
      const std::string y = pixel(at_y(tick));
      return "<line class=\"grid\" x1=\"" + std::to_string(kLeft) + "\" x2=\"" + pixel(right) + "\" y1=\"" + y +
             "\" y2=\"" + y + "\"/><text class=\"tick end\" x=\"" + std::to_string(kLeft - 6) + "\" y=\"" +
             pixel(at_y(tick) + 3.5) + "\">" + tick_text(tick) + "</text>\n";
    };
    const auto label = [&](double tick) {
      return "<text class=\"tick mid\" x=\"" + pixel(at_x(tick)) + "\" y=\"" + pixel(bottom + 15) + "\">" +
             tick_text(tick) + "</text>\n";
    };
    for (const double tick : axis_ticks(y_.low, y_.high, 5)) svg += grid_line(tick);
    for (const double tick : axis_ticks(x_.low, x_.high, 6)) svg += label(tick);
    svg += "<line class=\"axis\" x1=\"" + std::to_string(kLeft) + "\" x2=\"" + pixel(right) + "\" y1=\"" +
           pixel(bottom) + "\" y2=\"" + pixel(bottom) + "\"/>\n<text class=\"label mid\" x=\"" +
           pixel((kLeft + right) / 2) + "\" y=\"" + pixel(bottom + 31) + "\">" + escape_html(options_.x_label) +
           "</text>\n";
    return svg;
  }

  std::string curve(const Curve& curve, const std::vector<Strokes>& runs) const {
    // A page with more curves than colours repeats them dashed.
    const std::string style =
        "s" + std::to_string(curve.colour % kPlotColours) + (curve.colour / kPlotColours % 2 == 1 ? " dashed" : "");
    std::string svg = "<g class=\"" + style + "\"><title>" + escape_html(curve.label) + "</title>";
    for (const auto& run : runs) svg += band(run) + line(run);
    if (curve.points.size() <= kMarkedPoints) {
      for (const auto& [x, y] : curve.points) {
        if (!std::isfinite(x) || !std::isfinite(y)) continue;
        svg += "<circle cx=\"" + pixel(at_x(x)) + "\" cy=\"" + pixel(at_y(y)) + "\" r=\"2.2\"><title>" +
               escape_html(curve.label) + "&#10;" + number("%.10g", x) + ": " + number("%.6g", y) + "</title></circle>";
      }
    }
    return svg + "</g>\n";
  }

 private:
  std::string line(const Strokes& run) const {
    std::string path = "<polyline points=\"";
    for (const auto& stroke : run) path += pixel(at_x(stroke.x)) + "," + pixel(at_y(stroke.mean)) + " ";
    return path + "\"/>";
  }

  std::string band(const Strokes& run) const {
    if (std::all_of(run.begin(), run.end(), [](const Stroke& stroke) { return stroke.low == stroke.high; })) return "";
    std::string path = "<polygon points=\"";
    for (const auto& stroke : run) path += pixel(at_x(stroke.x)) + "," + pixel(at_y(stroke.high)) + " ";
    for (auto stroke = run.rbegin(); stroke != run.rend(); ++stroke) {
      path += pixel(at_x(stroke->x)) + "," + pixel(at_y(stroke->low)) + " ";
    }
    return path + "\"/>";
  }

  static std::string tick_text(double value) {
    if (std::abs(value) >= 1e4 && std::abs(value) < 1e6 && std::fmod(value, 1000) == 0)
      return number("%.0fk", value / 1e3);
    return number("%.5g", value);
  }

  const PlotOptions& options_;
  Range x_, y_;
};

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  if (!std::isfinite(low) || !std::isfinite(high) || high <= low || count < 1) return {};
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double factor = rough / power;
  const double step = power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  // Multiples, not sums: sums drift, and 0 would print as 1e-17.
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  constexpr double kExact = 9007199254740992;  // 2^53: beyond it, k + 1 may equal k
  if (!(last - first < 100) || std::abs(first) >= kExact || std::abs(last) >= kExact) return {};
  for (double k = first; k <= last; ++k) ticks.push_back(k == 0 ? 0 : k * step);
  return ticks;
}

std::string svg_plot(const std::vector<Curve>& curves, const PlotOptions& options) {
  std::vector<std::vector<Strokes>> drawn;
  Range x, y;
  for (const auto& curve : curves) {
    drawn.push_back(strokes_of(curve));
    for (const auto& run : drawn.back()) {
      for (const auto& stroke : run) {
        x.include(stroke.x);
        // The axis spans the means: a single outlier must not flatten the curve.
        y.include(stroke.mean);
      }
    }
  }
  const std::string title = escape_html(options.title);
  std::string svg = "<svg class=\"plot\" viewBox=\"0 0 " + std::to_string(options.width) + " " +
                    std::to_string(options.height) + "\" role=\"img\" aria-label=\"" + title +
                    "\"><text class=\"name\" x=\"8\" y=\"18\">" + title + "</text>\n";
  const bool empty = !(x.low <= x.high);
  if (empty) {
    return svg + "<text class=\"label mid\" x=\"" + pixel(options.width / 2.0) + "\" y=\"" +
           pixel(options.height / 2.0) + "\">no finite value</text></svg>\n";
  }
  x.widen(0);
  y.widen(0.06);
  const Canvas canvas(options, x, y);
  svg += canvas.axes();
  for (std::size_t i = 0; i < curves.size(); ++i) svg += canvas.curve(curves[i], drawn[i]);
  return svg + "</svg>\n";
}

std::string plot_style() {
  return R"css(
:root { --s0:#2563c9; --s1:#d2541b; --s2:#178a55; --s3:#9a3fb5; --s4:#a97b00; --s5:#0b8794; --s6:#c2325f; --s7:#59636e; }
@media (prefers-color-scheme: dark) {
  :root { --s0:#6ea8ff; --s1:#ff9361; --s2:#57c98d; --s3:#d28ae8; --s4:#e0b94a; --s5:#4fc6d3; --s6:#ff7fa5; --s7:#a3adb8; }
}
.s0 { --c:var(--s0) } .s1 { --c:var(--s1) } .s2 { --c:var(--s2) } .s3 { --c:var(--s3) }
.s4 { --c:var(--s4) } .s5 { --c:var(--s5) } .s6 { --c:var(--s6) } .s7 { --c:var(--s7) }
.plot { width:100%; height:auto; display:block; }
.plot polyline { fill:none; stroke:var(--c); stroke-width:1.7; stroke-linejoin:round; stroke-linecap:round; }
.plot .dashed polyline { stroke-dasharray:5 3; }
.plot polygon { fill:var(--c); opacity:.16; }
.plot circle { fill:var(--c); }
.plot .grid { stroke:var(--line); stroke-width:1; }
.plot .axis { stroke:var(--muted); stroke-width:1; }
.plot text { font:11px system-ui,sans-serif; fill:var(--muted); }
.plot .name { font-size:13px; font-weight:600; fill:var(--text); }
.plot .end { text-anchor:end; } .plot .mid { text-anchor:middle; }
)css";
}

}  // namespace drystill::journal
