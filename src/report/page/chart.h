// Charts as SVG: they need no script, print, and take their colours from the page's style.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/page/texts.h"

namespace salf::report {

enum class Shape { kLine, kPoints, kBars };

struct Series {
  Text name;
  std::vector<double> x, y;
  std::vector<double> low, high;  // a band around a line, whiskers on points and bars; empty: none
  Shape shape = Shape::kLine;
  int colour = 0;    // 0 … 3: of the page's style
  std::string path;  // y[i] stands at PATH[i] of a document; "": computed here
};

// A shaded range of x.
struct Span {
  double from = 0.0, to = 0.0;
  Text label;
};
// A vertical line.
struct Mark {
  double x = 0.0;
  Text label;
  bool chosen = false;
};

struct Chart {
  Text title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Span> spans;
  std::vector<Mark> marks;
  bool from_zero = false;
  int x_digits = 6;
};

// The figure: chart, legend where there is more than one series, and its table, folded.
std::string figure(const Chart& chart);

// One bar a row, from 0; several values a row stand below one another.
struct BarRow {
  Text name;
  std::vector<double> values;       // not finite: none
  std::vector<std::string> labels;  // HTML beside each bar
};
std::string bar_figure(
    const Text& title, const std::vector<Text>& legend, const std::vector<BarRow>& rows);

// The blocks as a strip: which are frozen. REQUIRES: 0 ≤ cut < blocks
std::string block_strip(std::int64_t cut, std::int64_t blocks);

// Round numbers within low … high, `most` at most.
std::vector<double> ticks(double low, double high, int most);

}  // namespace salf::report
