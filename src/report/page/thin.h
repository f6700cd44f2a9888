// Ten thousand steps in the width of a page.
#pragma once

#include <cstddef>
#include <vector>

namespace salf::report {

// Each of at most `most` bins of consecutive points: their mean, and their smallest and largest
// value. x is the bin's last point. `size`: points of a bin (1: nothing was joined). Values that
// are not finite are left out.
struct Thinned {
  std::size_t size = 1;
  std::vector<double> x, mean, low, high;
};
// REQUIRES: x and y of one length, most > 0
Thinned thin(const std::vector<double>& x, const std::vector<double>& y, std::size_t most);

}  // namespace salf::report
