// Frozen blocks whose matrices are kept in few bits. Those of a block are turned into float32 just
// before it runs, in buffers that all blocks share.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

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
  // Writes its values into `out` [rows, columns] f32, contiguous. REQUIRES: it is there (move)
  virtual void unpack_(at::Tensor& out) const = 0;
  // From now on it is on this device. It begins on the CPU. False where it can only be there.
  virtual bool move(c10::Device device) { return device.is_cpu(); }
  virtual std::int64_t bytes() const = 0;
};

// Packs a parameter [rows, columns] f32, of the CPU or a GPU; null: it stays as it is.
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
// the model would read the shared buffers. At the end the parameters are as they were. Of a GPU's
// model the parameters lie on the host meanwhile, and the bits and buffers leave the GPU where
// GraphCut::prefix_is_unread() says so; a block that runs all the same has them sent back.
class QuantizedBlocks {
 public:
  // The first `count` blocks. `model` must outlive this. Throws Error(kUsage) where the model is on
  // a GPU and the bits cannot be there, and what `pack` throws; the parameters are as they were
  // then.
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
