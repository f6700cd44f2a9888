// Reducing a long series to the points of a chart.
#pragma once

#include <cstddef>
#include <vector>

namespace salf::report {

// Mean, smallest and largest value of each bin of `size` consecutive points. x is the bin's last
// point. Values that are not finite are left out.
struct Thinned {
  std::size_t size = 1;
  std::vector<double> x, mean, low, high;
};
// REQUIRES: x and y of one length, most > 0
Thinned thin(const std::vector<double>& x, const std::vector<double>& y, std::size_t most);

}  // namespace salf::report
