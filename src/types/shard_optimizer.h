// Whether ranks that share a step each update a part of the trained weights (ZeRO-1, Rajbhandari et
// al. 2020, arXiv 1910.02054) or all of them.
#pragma once

#include "types/candidates.h"

namespace salf::types {

enum class ShardOptimizer { kAuto, kOn, kOff };
inline std::vector<core::EnumName<ShardOptimizer>> enum_names(ShardOptimizer) {
  return {{ShardOptimizer::kAuto, "auto"},  // on, but with LoRA
      {ShardOptimizer::kOn, "on"}, {ShardOptimizer::kOff, "off"}};
}

inline bool shards(ShardOptimizer wanted, Method method) {
  return wanted == ShardOptimizer::kOn ||
         (wanted == ShardOptimizer::kAuto && method == Method::kBlocks);
}

}  // namespace salf::types
