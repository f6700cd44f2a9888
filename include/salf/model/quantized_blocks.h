// How can frozen blocks run on a machine that could not hold their weights? Their matrices are kept in few bits, and
// each block's are turned into float32 just before it runs, in buffers that all blocks share.
#pragma once

#include <cstdint>
#include <memory>

#include "salf/model/graph_cut.h"
#include "salf/model/script_model.h"
#include "salf/ops/quantize.h"

namespace salf::model {

// Within its life the cut runs block by block, and matrices of the first blocks are those that their quantised forms
// stand for; vectors (norms, biases), embedding and head stay as they are. At the end everything is as it was.
class QuantizedBlocks {
 public:
  // The first `count` blocks. The references must outlive this. Throws Error(kUsage) where the model is not on the CPU.
  QuantizedBlocks(const ScriptModel& model, GraphCut& cut, ops::WeightFormat format, std::int64_t count);
  ~QuantizedBlocks();
  QuantizedBlocks(const QuantizedBlocks&) = delete;
  QuantizedBlocks& operator=(const QuantizedBlocks&) = delete;

  std::int64_t bytes() const;  // of the quantised forms

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::model
