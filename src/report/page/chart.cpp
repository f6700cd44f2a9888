#include "report/page/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/text.h"
#include "report/page/html.h"

namespace salf::report {
namespace {

constexpr double kWidth = 480, kHeight = 280;
constexpr double kLeft = 58, kRight = 12, kTop = 30, kBottom = 46;
constexpr std::size_t kMostRows = 400;

std::string coordinate(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value);
  return buffer;
}

std::string svg_words(const Text& text) {
  if (text.en == text.ja) return escape(text.en);
  return "<tspan class=\"en\">" + escape(text.en) + "</tspan><tspan class=\"ja\">" +
         escape(text.ja) + "</tspan>";
}

struct Axis {
  double from = 0.0, to = 1.0;  // on the page
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double place(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

void widen(double value, Axis& axis) {
  if (!std::isfinite(value)) return;
  axis.low = std::min(axis.low, value);
  axis.high = std::max(axis.high, value);
}

void settle(Axis& axis, double margin) {
  if (!(axis.low <= axis.high)) axis.low = 0.0, axis.high = 1.0;
  const double size = std::max({std::fabs(axis.low), std::fabs(axis.high), 1e-12});
  if (axis.high - axis.low < 1e-9 * size) axis.low -= 0.05 * size, axis.high += 0.05 * size;
  const double room = margin * (axis.high - axis.low);
  axis.low -= room;
  axis.high += room;
}

Axis x_axis(const Chart& chart) {
  Axis axis{kLeft, kWidth - kRight};
  bool bars = false;
  for (const Series& series : chart.series) {
    for (const double x : series.x) widen(x, axis);
    bars = bars || series.shape == Shape::kBars;
  }
  for (const Mark& mark : chart.marks) widen(mark.x, axis);
  if (bars) axis.low -= 0.6, axis.high += 0.6;
  settle(axis, bars ? 0.0 : 0.02);
  return axis;
}

Axis y_axis(const Chart& chart) {
  Axis axis{kHeight - kBottom, kTop};
  for (const Series& series : chart.series) {
    for (const auto* values : {&series.y, &series.low, &series.high}) {
      for (const double y : *values) widen(y, axis);
    }
    if (series.shape == Shape::kBars) widen(0.0, axis);
  }
  if (chart.from_zero) widen(0.0, axis);
  const bool on_zero = chart.from_zero && axis.low >= 0.0;
  settle(axis, 0.06);
  if (on_zero) axis.low = 0.0;
  return axis;
}

std::string at(const char* name, double value) {
  return std::string(" ") + name + "=\"" + coordinate(value) + "\"";
}

std::string begin(const char* element, const std::string& css_class) {
  return std::string("<") + element + " class=\"" + css_class + "\"";
}

std::string line(double x1, double y1, double x2, double y2, const char* css_class) {
  return begin("line", css_class) + at("x1", x1) + at("y1", y1) + at("x2", x2) + at("y2", y2) +
         "/>";
}

std::string label(double x, double y, const char* css_class, const std::string& html) {
  return begin("text", css_class) + at("x", x) + at("y", y) + ">" + html + "</text>";
}

std::string rect(const std::string& css_class, double x, double y, double width, double height) {
  return begin("rect", css_class) + at("x", x) + at("y", y) + at("width", width) +
         at("height", height) + "/>";
}

// Round numbers within low … high, about `most` of them.
std::vector<double> ticks(double low, double high, int most) {
  const double raw = (high - low) / std::max(1, most);
  if (!(raw > 0.0) || !std::isfinite(raw)) return {};
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10.0 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= raw * (1 - 1e-9)) step = factor * power;
  }
  std::vector<double> values;
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i <= most + 1; ++i) {
    const double value = (first + i) * step;
    if (value > high + 1e-9 * step) break;
    values.push_back(std::fabs(value) < 1e-9 * step ? 0.0 : value);
  }
  return values;
}

std::string caption(const Text& title) {
  return "<figure><figcaption>" + words(title) + "</figcaption>";
}

std::string axes(const Chart& chart, const Axis& x, const Axis& y) {
  std::string out;
  for (const double value : ticks(y.low, y.high, 6)) {
    const double place = y.place(value);
    out += line(x.from, place, x.to, place, "grid");
    out += label(x.from - 6, place + 4, "tick end", core::format_number(value, 4));
  }
  for (const double value : ticks(x.low, x.high, 7)) {
    if (std::floor(value) != value) continue;  // blocks, steps, runs
    const double place = x.place(value);
    out += line(place, y.from, place, y.from + 4, "axis");
    out += label(place, y.from + 18, "tick middle", core::format_number(value, 6));
  }
  out += line(x.from, y.from, x.to, y.from, "axis");
  out += label((x.from + x.to) / 2, kHeight - 6, "name middle", svg_words(chart.x_label));
  return out + label(4, 14, "name", svg_words(chart.y_label));
}

std::string spans_and_marks(const Chart& chart, const Axis& x, const Axis& y) {
  std::string out;
  for (const Span& span : chart.spans) {
    const double from = std::clamp(x.place(span.from), x.from, x.to);
    const double to = std::clamp(x.place(span.to), x.from, x.to);
    out += rect("frozen", from, y.to, std::max(0.0, to - from), y.from - y.to);
    out += label(from + 5, y.from - 7, "note", svg_words(span.label));
  }
  // Each label has its own row: labels may be long and marks close together.
  double row = y.to + 12;
  for (const Mark& mark : chart.marks) {
    const double place = x.place(mark.x);
    out += line(place, y.from, place, y.to, mark.chosen ? "mark chosen" : "mark");
    const bool at_right = place > (x.from + x.to) / 2 + 30;
    out += label(
        place + (at_right ? -5 : 5), row, at_right ? "note end" : "note", svg_words(mark.label));
    row += 15;
  }
  return out;
}

std::string colour(const Series& series, const char* what) {
  return std::string(what) + " c" + std::to_string(series.colour);
}

bool has_range(const Series& series, std::size_t i) {
  return !series.low.empty() && std::isfinite(series.low[i]) && std::isfinite(series.high[i]);
}

std::string band(const Series& series, const Axis& x, const Axis& y) {
  std::string up, down;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!has_range(series, i)) continue;
    const std::string place = coordinate(x.place(series.x[i])) + ",";
    up += place + coordinate(y.place(series.high[i])) + " ";
    down.insert(0, place + coordinate(y.place(series.low[i])) + " ");
  }
  if (up.empty()) return "";
  return begin("polygon", colour(series, "band")) + " points=\"" + up + down + "\"/>";
}

std::string curve(const Series& series, const Axis& x, const Axis& y) {
  std::string path;
  bool drawing = false;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const bool there = std::isfinite(series.y[i]);
    if (there) {
      path += (drawing ? "L" : "M") + coordinate(x.place(series.x[i])) + " " +
              coordinate(y.place(series.y[i]));
    }
    drawing = there;
  }
  return begin("path", colour(series, "curve")) + " d=\"" + path + "\"/>";
}

std::string whisker(const Series& series, std::size_t i, const Axis& x, const Axis& y) {
  if (!has_range(series, i)) return "";
  const double place = x.place(series.x[i]);
  return line(place, y.place(series.low[i]), place, y.place(series.high[i]), "whisker");
}

std::string points(const Series& series, const Axis& x, const Axis& y) {
  std::string out;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    out += whisker(series, i, x, y);
    out += begin("circle", colour(series, "dot")) + at("cx", x.place(series.x[i])) +
           at("cy", y.place(series.y[i])) + " r=\"4\"/>";
  }
  return out;
}

std::string bars(const Series& series, const Axis& x, const Axis& y) {
  std::string out;
  const double width = std::max(1.0, 0.72 * (x.place(1.0) - x.place(0.0)));
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    const double top = y.place(std::max(0.0, series.y[i]));
    const double bottom = y.place(std::min(0.0, series.y[i]));
    out += rect(colour(series, "bar"), x.place(series.x[i]) - width / 2, top, width,
        std::max(0.5, bottom - top));
    out += whisker(series, i, x, y);
  }
  return out;
}

std::string draw(const Series& series, const Axis& x, const Axis& y) {
  switch (series.shape) {
    case Shape::kPoints: return points(series, x, y);
    case Shape::kBars: return bars(series, x, y);
    case Shape::kLine: break;
  }
  return band(series, x, y) + curve(series, x, y);
}

// Of colours 0, 1, … where they are not given.
std::string legend(const std::vector<Text>& names, const std::vector<int>& colours = {}) {
  if (names.size() < 2) return "";
  std::string out = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += "<li><i class=\"key k" +
           std::to_string(colours.empty() ? static_cast<int>(i) : colours[i]) + "\"></i>" +
           words(names[i]) + "</li>";
  }
  return out + "</ul>";
}

// A row for each x of any series, a column for each series.
std::string chart_table(const Chart& chart) {
  std::vector<double> places;
  for (const Series& series : chart.series)
    places.insert(places.end(), series.x.begin(), series.x.end());
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  if (places.size() > kMostRows) places.resize(kMostRows);
  std::vector<std::string> header{words(chart.x_label)};
  for (const Series& series : chart.series) {
    header.push_back(words(series.name));
    if (!series.low.empty()) header.push_back(words(Word::kInterval));
  }
  Rows rows;
  for (const double place : places) {
    Row row{core::format_number(place, 9)};
    for (const Series& series : chart.series) {
      const auto i = static_cast<std::size_t>(
          std::find(series.x.begin(), series.x.end(), place) - series.x.begin());
      const bool there = i < series.x.size();
      const std::string path = series.path.empty() ? "" : indexed(series.path, i);
      row.push_back({there ? number(series.y[i], path, 5) : ""});
      if (series.low.empty()) continue;
      row.push_back({there && has_range(series, i) ? core::format_number(series.low[i], 4) + " … " +
                                                         core::format_number(series.high[i], 4)
                                                   : ""});
    }
    rows.push_back(std::move(row));
  }
  return table(header, rows);
}

}  // namespace

std::string figure(const Chart& chart) {
  const Axis x = x_axis(chart);
  const Axis y = y_axis(chart);
  std::vector<Text> names;
  std::vector<int> colours;
  std::string drawn;
  for (const Series& series : chart.series) {
    names.push_back(series.name);
    colours.push_back(series.colour);
    drawn += draw(series, x, y);
  }
  return caption(chart.title) +
         "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 480 280\" aria-label=\"" +
         escape(chart.title.en) + "\">" + axes(chart, x, y) + drawn + spans_and_marks(chart, x, y) +
         "</svg>" + legend(names, colours) + folded(text(Word::kTable), chart_table(chart)) +
         "</figure>\n";
}

std::string bar_figure(
    const Text& title, const std::vector<Text>& names, const std::vector<BarRow>& rows) {
  double largest = 0.0;
  for (const BarRow& row : rows) {
    for (const double value : row.values) {
      if (std::isfinite(value)) largest = std::max(largest, value);
    }
  }
  std::string out = caption(title) + legend(names) + "<div class=\"bars\">";
  for (const BarRow& row : rows) {
    out +=
        "<div class=\"row\"><div class=\"what\">" + words(row.name) + "</div><div class=\"lines\">";
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const bool known = std::isfinite(row.values[i]);
      const double share = known && largest > 0.0 ? 100.0 * row.values[i] / largest : 0.0;
      out +=
          "<div class=\"line\"><svg class=\"meter\" viewBox=\"0 0 100 10\" "
          "preserveAspectRatio=\"none\"><rect class=\"bar c" +
          std::to_string(i) + "\" x=\"0\" y=\"0\" width=\"" + coordinate(share) +
          "\" height=\"10\"/></svg><span>" + (known ? row.labels[i] : "–") + "</span></div>";
    }
    out += "</div></div>";
  }
  return out + "</div></figure>\n";
}

std::string block_strip(std::int64_t cut, std::int64_t blocks) {
  const double width = 480.0 / static_cast<double>(blocks);
  std::string out =
      "<figure class=\"strip\"><svg class=\"chart\" role=\"img\" viewBox=\"0 0 480 24\" "
      "aria-label=\"blocks\">";
  for (std::int64_t i = 0; i < blocks && blocks <= 400; ++i) {
    out += std::string("<rect class=\"") + (i < cut ? "cell cold" : "cell warm") + "\" x=\"" +
           coordinate(width * static_cast<double>(i)) + "\" y=\"0\" width=\"" +
           coordinate(std::max(0.5, width - 1)) + "\" height=\"24\"/>";
  }
  const auto key = [](const char* colour, const char* en, const char* ja, std::int64_t from,
                       std::int64_t to) {
    const std::string first = std::to_string(from), last = std::to_string(to);
    return std::string("<li><i class=\"key ") + colour + "\"></i>" +
           words({en + (" " + first) + "–" + last, ja + (" " + first) + "〜" + last}) + "</li>";
  };
  out += "</svg><ul class=\"legend\">";
  if (cut > 0) out += key("kcold", "frozen", "凍結", 0, cut - 1);
  return out + key("kwarm", "trained", "学習", cut, blocks - 1) + "</ul></figure>\n";
}

Thinned thin(const std::vector<double>& x, const std::vector<double>& y, std::size_t most) {
  Thinned result;
  result.size = std::max<std::size_t>(1, (x.size() + most - 1) / most);
  for (std::size_t begin = 0; begin < x.size(); begin += result.size) {
    const std::size_t end = std::min(x.size(), begin + result.size);
    double sum = 0.0, count = 0.0;
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(y[i])) continue;
      sum += y[i];
      count += 1.0;
      low = std::min(low, y[i]);
      high = std::max(high, y[i]);
    }
    if (count == 0.0) continue;
    result.x.push_back(x[end - 1]);
    result.mean.push_back(sum / count);
    result.low.push_back(low);
    result.high.push_back(high);
  }
  return result;
}

}  // namespace salf::report
