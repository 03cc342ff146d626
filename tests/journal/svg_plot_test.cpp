#include "journal/svg_plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "journal/html_text.h"

namespace drystill::journal {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(AxisTicks, RoundNumbersInside) {
  EXPECT_EQ(axis_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(axis_ticks(-1, 1, 4), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  EXPECT_EQ(axis_ticks(3, 97, 2), (std::vector<double>{50}));
  EXPECT_TRUE(axis_ticks(1, 1, 5).empty());
  EXPECT_TRUE(axis_ticks(0, INFINITY, 5).empty());
  EXPECT_LE(axis_ticks(1e300, 1e308, 5).size(), 12u);
  EXPECT_LE(axis_ticks(1, std::nextafter(1, 2), 5).size(), 100u);
}

TEST(SvgPlot, PointsStandWhereTheyShould) {
  // 460 x 250: the axis runs from x = 56 to 446; y is widened by 6 % of its extent on both sides.
  const auto svg = svg_plot({{.label = "a", .points = {{0, 0}, {100, 1}}}}, {.title = "t", .x_label = "step"});
  const double height = 250 - 30 - 38, margin = 0.06 / 1.12 * height;
  const auto at = [](double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return std::string(text);
  };
  EXPECT_NE(svg.find("points=\"56.0," + at(212 - margin) + " 446.0," + at(30 + margin) + " \""), std::string::npos)
      << svg;
}

TEST(SvgPlot, GapsAtValuesThatAreNotFinite) {
  const auto svg =
      svg_plot({{.label = "a", .points = {{0, 1}, {1, 2}, {2, std::nan("")}, {3, INFINITY}, {4, 1}, {5, 2}}}}, {});
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 4u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgPlot, NothingToDraw) {
  for (const auto& curves : std::vector<std::vector<Curve>>{
           {}, {{.label = "a", .points = {}}}, {{.label = "a", .points = {{0, std::nan("")}}}}}) {
    EXPECT_NE(svg_plot(curves, {}).find("no finite value"), std::string::npos);
  }
  EXPECT_EQ(count(svg_plot({{.label = "a", .points = {{5, 5}}}}, {}), "<circle"), 1u);
}

TEST(SvgPlot, LongCurvesStaySmall) {
  Curve curve{.label = "a", .points = {}};
  for (int i = 0; i < 100000; ++i) curve.points.emplace_back(i, std::sin(i));
  const auto svg = svg_plot({curve}, {});
  EXPECT_LT(svg.size(), 20000u);
  EXPECT_EQ(count(svg, "<polygon"), 1u);
}

TEST(SvgPlot, TextIsEscaped) {
  const auto svg = svg_plot({{.label = "<script>", .points = {{0, 1}}}}, {.title = "a\"><b", .x_label = "&"});
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_EQ(svg.find("<b"), std::string::npos);
  EXPECT_NE(svg.find("&amp;"), std::string::npos);
}

TEST(Base64, KnownAnswers) {
  // RFC 4648, section 10.
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace drystill::journal
