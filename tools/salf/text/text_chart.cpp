#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

constexpr std::size_t kLabelWidth = 9;

// The mean of the points of each column; NaN where there are none.
std::vector<double> column_means(
    const std::vector<double>& x, const std::vector<double>& y, std::size_t columns) {
  std::vector<double> sums(columns, 0.0), counts(columns, 0.0);
  const double span = x.back() - x.front();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) continue;
    const double share = span > 0.0 ? (x[i] - x.front()) / span : 0.0;
    const auto column =
        static_cast<std::size_t>(std::lround(share * static_cast<double>(columns - 1)));
    sums[column] += y[i];
    counts[column] += 1.0;
  }
  for (std::size_t i = 0; i < columns; ++i)
    sums[i] = counts[i] > 0.0 ? sums[i] / counts[i] : std::nan("");
  return sums;
}

}  // namespace

std::string text_curve(const std::vector<double>& x, const std::vector<double>& y,
    std::size_t width, std::size_t height) {
  if (x.empty()) return "";
  const std::size_t columns = width - kLabelWidth - 2;
  const std::vector<double> means = column_means(x, y, columns);
  double low = std::nan(""), high = low;
  for (const double value : means) {
    if (!std::isfinite(value)) continue;
    low = std::isnan(low) ? value : std::min(low, value);
    high = std::isnan(high) ? value : std::max(high, value);
  }
  if (std::isnan(low)) return "";
  std::vector<std::string> rows(height, std::string(columns, ' '));
  for (std::size_t column = 0; column < columns; ++column) {
    if (!std::isfinite(means[column])) continue;
    const double share = high > low ? (means[column] - low) / (high - low) : 0.5;
    const auto row =
        static_cast<std::size_t>(std::lround((1.0 - share) * static_cast<double>(height - 1)));
    rows[row][column] = '*';
  }
  std::string out;
  for (std::size_t i = 0; i < height; ++i) {
    const std::string label = i == 0            ? core::format_number(high, 4)
                              : i + 1 == height ? core::format_number(low, 4)
                                                : "";
    out += trimmed(right(label.substr(0, kLabelWidth), kLabelWidth) + " |" + rows[i]) + "\n";
  }
  const std::string first = core::format_number(x.front(), 6);
  const std::string last = core::format_number(x.back(), 6);
  out += std::string(kLabelWidth + 1, ' ') + "+" + std::string(columns, '-') + "\n";
  return out + std::string(kLabelWidth + 2, ' ') + first + right(last, columns - first.size()) +
         "\n";
}

std::string text_bar(double share, std::size_t width) {
  if (!(share > 0.0)) return std::string(width, ' ');
  const double exact = std::min(1.0, share) * static_cast<double>(width);
  const auto signs = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(exact)));
  return left(std::string(signs, '#'), width);
}

std::string short_bar(double share, std::size_t width) {
  return std::string(
      static_cast<std::size_t>(1.0 + std::round(share * static_cast<double>(width - 1))), '#');
}

}  // namespace salf::tools
