#pragma once

#include <string>
#include <utility>
#include <vector>

namespace drystill::journal {

struct Curve {
  std::string label;
  std::size_t colour = 0;                         // the curve's class is "s<colour % kPlotColours>"
  std::vector<std::pair<double, double>> points;  // x, y; x ascending; a y that is not finite leaves a gap
};

struct PlotOptions {
  std::string title;
  std::string x_label;
  int width = 460;
  int height = 250;
};

inline constexpr std::size_t kPlotColours = 8;

// Line curves as one <svg> element, without a script, a font or a link of its own. Colours come from the page: the
// style sheet of plot_style() must be in it. A curve of many points is drawn as the mean of equal stretches with a band
// from the least to the largest value of each. Curves without a finite point are left out; with none left, the plot
// says so.
std::string svg_plot(const std::vector<Curve>& curves, const PlotOptions& options);

// CSS for the plots, for light and dark pages.
std::string plot_style();

// About `count` round numbers (1, 2 or 5 times a power of ten) that lie within [low, high].
std::vector<double> axis_ticks(double low, double high, int count);

}  // namespace drystill::journal
