// Small charts for terminals, in plain ASCII.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace salf::tools {

// A curve of `height` lines of at most `width` columns, y's range at its left, x's below it. Points
// that are not finite are left out; "" where nothing is left. Columns hold the mean of their
// points. REQUIRES: x and y of one length, x ascending, width ≥ 30, height ≥ 3
std::string text_curve(const std::vector<double>& x, const std::vector<double>& y,
    std::size_t width, std::size_t height);

// `width` columns with `share` (0 … 1) of them filled, such as "####      ". A share above 0 has
// one sign at least.
std::string text_bar(double share, std::size_t width);

// From one sign for a share of 0 to `width` signs for 1, without spaces.
std::string short_bar(double share, std::size_t width);

}  // namespace salf::tools
