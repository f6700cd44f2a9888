#include "report/page/thin.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace salf::report {

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
