#include "salf/types/model_shape.h"

#include <numeric>

namespace salf::types {

std::int64_t ModelShape::trained_parameters(std::int64_t eof) const {
  if (eof == 0) return parameters;
  return std::accumulate(block_parameters.begin() + static_cast<std::ptrdiff_t>(eof),
                         block_parameters.end(), final_parameters);
}

}  // namespace salf::types
