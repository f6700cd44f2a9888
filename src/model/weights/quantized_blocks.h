// Frozen blocks whose matrices are kept in few bits. Those of a block are turned into float32 just
// before it runs, in buffers that all blocks share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "ops/quantize.h"

namespace salf::model {

// One matrix in few bits.
class PackedMatrix {
 public:
  virtual ~PackedMatrix() = default;
  // Writes its values into `out` [rows, columns] f32, contiguous, on the CPU.
  virtual void unpack_(at::Tensor& out) const = 0;
  virtual std::int64_t bytes() const = 0;
};

// Packs a parameter [rows, columns] f32; null: it stays as it is.
using Packer =
    std::function<std::unique_ptr<PackedMatrix>(const std::string& name, const at::Tensor& matrix)>;

std::unique_ptr<PackedMatrix> packed(ops::QuantizedMatrix matrix);

// Rounds each matrix (ops::quantize).
Packer rounding_to(ops::WeightFormat format);

// Rounds each matrix by the second moments of what it multiplies in these batches (ops::quantize).
// The blocks run on them once, one after another and as they were loaded. The states [tokens, D]
// and the moments of one block are held. Layers that do not multiply by a parameter as it stands
// (GPT-2's are transposed) are rounded to the nearest. REQUIRES: batches are not empty; the packer
// is asked for the blocks in order, before any of them is replaced, as QuantizedBlocks does.
Packer fitted_rounding(
    ops::WeightFormat format, const GraphCut& graph, std::vector<tensor::Batch> batches);

// While this lives, the matrices of the model's first blocks are in few bits. Vectors (norms,
// biases), embedding and head stay as they are. Only graph() runs these blocks: any other cut of
// the model would read the shared buffers. At the end the parameters are as they were.
class QuantizedBlocks {
 public:
  // The first `count` blocks. `model` must outlive this. Throws Error(kUsage) where the model is
  // not on the CPU, and what `pack` throws; the parameters are as they were then.
  QuantizedBlocks(
      const ScriptModel& model, const GraphCut& graph, const Packer& pack, std::int64_t count);
  ~QuantizedBlocks();
  QuantizedBlocks(const QuantizedBlocks&) = delete;
  QuantizedBlocks& operator=(const QuantizedBlocks&) = delete;

  // The given cut, block by block, on what the quantised forms stand for. Neither it nor a copy may
  // be used when this is gone.
  const GraphCut& graph() const;
  std::int64_t bytes() const;  // of the quantised forms

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::model
