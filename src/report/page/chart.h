// Charts as SVG. They need no script, can be printed, and take their colours from the page's style.
#pragma once

#include "report/page/texts.h"

namespace salf::report {

enum class Shape { kLine, kPoints, kBars };

struct Series {
  Text name;
  Shape shape = Shape::kLine;
  int colour = 0;  // 0 … 3, of the page's style
  std::vector<double> x{}, y{};
  std::vector<double> low{}, high{};  // a band around a line, whiskers on points and bars
  std::string path{};                 // y[i] stands at PATH[i] of a document; "": computed here

  void add(double place, double value) {
    x.push_back(place);
    y.push_back(value);
  }
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
  std::vector<Series> series{};
  std::vector<Span> spans{};
  std::vector<Mark> marks{};
  bool from_zero = false;
};

// A figure: the chart, a legend for more than one series, and a folded table of the values.
std::string figure(const Chart& chart);

// One row of bars from 0, one below the other.
struct BarRow {
  Text name;
  std::vector<double> values;       // one that is not finite has no bar
  std::vector<std::string> labels;  // HTML beside each bar
};
std::string bar_figure(
    const Text& title, const std::vector<Text>& legend, const std::vector<BarRow>& rows);

// The blocks as a strip: frozen and trained. REQUIRES: 0 ≤ cut < blocks
std::string block_strip(std::int64_t cut, std::int64_t blocks);

// Mean, smallest and largest value of each bin of `size` consecutive points. x is the bin's last
// point. Values that are not finite are left out.
struct Thinned {
  std::size_t size = 1;
  std::vector<double> x, mean, low, high;
};
// REQUIRES: x and y of one length, most > 0
Thinned thin(const std::vector<double>& x, const std::vector<double>& y, std::size_t most);

}  // namespace salf::report
