#include "types/model_shape.h"

#include <numeric>

namespace salf::types {

bool ModelShape::is_tuned_whole(std::int64_t index) const {
  const auto i = static_cast<std::size_t>(index);
  return block_trained_parameters.empty() || block_trained_parameters[i] == block_parameters[i];
}

bool ModelShape::trains_embedding(std::int64_t cut) const {
  return cut == 0 && block_trained_parameters.empty();
}

std::int64_t ModelShape::trained_parameters(std::int64_t cut) const {
  if (trains_embedding(cut)) return parameters;
  const auto& trained =
      block_trained_parameters.empty() ? block_parameters : block_trained_parameters;
  return std::accumulate(trained.begin() + static_cast<std::ptrdiff_t>(cut), trained.end(),
      is_tuned_whole(blocks - 1) ? final_parameters : 0);
}

}  // namespace salf::types
