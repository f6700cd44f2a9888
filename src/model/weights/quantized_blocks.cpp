#include "model/weights/quantized_blocks.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/heap.h"
#include "tensor/mapped_space.h"

namespace salf::model {
namespace {

// One matrix of one block.
struct Entry {
  at::Tensor parameter;  // live; its memory is the buffer
  at::Tensor original;   // as it was loaded
  std::unique_ptr<PackedMatrix> packed;
};

class RoundedMatrix final : public PackedMatrix {
 public:
  explicit RoundedMatrix(ops::QuantizedMatrix matrix) : matrix_(std::move(matrix)) {}
  void unpack_(at::Tensor& out) const override { ops::dequantize_(matrix_, out); }
  std::int64_t bytes() const override { return matrix_.bytes(); }

 private:
  ops::QuantizedMatrix matrix_;
};

bool is_plain_matrix(const at::Tensor& tensor) {
  return tensor.dim() == 2 && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

}  // namespace

std::unique_ptr<PackedMatrix> packed(ops::QuantizedMatrix matrix) {
  return std::make_unique<RoundedMatrix>(std::move(matrix));
}

Packer rounding_to(ops::WeightFormat format) {
  return [format](const std::string& /*name*/,
             const at::Tensor& matrix) -> std::unique_ptr<PackedMatrix> {
    return packed(ops::quantize(matrix, format));
  };
}

struct QuantizedBlocks::Parts {
  Parts(const GraphCut& whole, std::int64_t count)
      : graph(whole.by_block([this](std::int64_t block) { prepare(block); })),
        blocks(static_cast<std::size_t>(count)) {}
  ~Parts();
  void pack_all(const ScriptModel& model, const Packer& pack);
  void add(std::int64_t block, const std::string& name, const at::Tensor& parameter,
      std::unique_ptr<PackedMatrix> packed);
  void prepare(std::int64_t block) const;

  GraphCut graph;
  std::vector<std::vector<Entry>> blocks;
  std::map<std::string, at::Tensor> buffers;  // by the matrix's name within its block and its shape
};

void QuantizedBlocks::Parts::pack_all(const ScriptModel& model, const Packer& pack) {
  for (std::int64_t block = 0; block < static_cast<std::int64_t>(blocks.size()); ++block) {
    const std::string prefix = graph.map().container + "." + std::to_string(block) + ".";
    for (const std::string& name : graph.block_parameters(block)) {
      const at::Tensor& parameter = model.parameter(name).tensor;
      if (!is_plain_matrix(parameter)) continue;
      if (auto packed = pack(name, parameter)) {
        add(block, name.substr(std::min(name.size(), prefix.size())), parameter, std::move(packed));
      }
    }
  }
}

QuantizedBlocks::Parts::~Parts() {
  for (auto& block : blocks) {
    for (Entry& entry : block) entry.parameter.set_data(entry.original);
  }
}

void QuantizedBlocks::Parts::add(std::int64_t block, const std::string& name,
    const at::Tensor& parameter, std::unique_ptr<PackedMatrix> packed) {
  const std::string key =
      name + " " + std::to_string(parameter.size(0)) + " " + std::to_string(parameter.size(1));
  at::Tensor& buffer = buffers[key];
  if (!buffer.defined()) buffer = at::empty(parameter.sizes(), at::kFloat);
  Entry entry{parameter, parameter.detach(), std::move(packed)};
  entry.parameter.set_data(buffer);
  tensor::release_pages(entry.original);
  blocks[static_cast<std::size_t>(block)].push_back(std::move(entry));
}

void QuantizedBlocks::Parts::prepare(std::int64_t block) const {
  if (block >= static_cast<std::int64_t>(blocks.size())) return;
  const at::NoGradGuard quiet;
  for (const Entry& entry : blocks[static_cast<std::size_t>(block)]) {
    at::Tensor buffer = entry.parameter.detach();
    entry.packed->unpack_(buffer);
  }
}

QuantizedBlocks::QuantizedBlocks(
    const ScriptModel& model, const GraphCut& graph, const Packer& pack, std::int64_t count) {
  if (!model.device().is_cpu()) {
    throw Error(ErrorKind::kUsage,
        "quantised frozen blocks (--frozen-dtype) run on the CPU only; leave out "
        "--frozen-dtype or --device");
  }
  parts_ = std::make_unique<Parts>(graph, count);
  parts_->pack_all(model, pack);
  core::trim_heap();  // what came before may have left free pages on the heap
}

QuantizedBlocks::~QuantizedBlocks() {
  parts_.reset();
  core::trim_heap();
}

const GraphCut& QuantizedBlocks::graph() const { return parts_->graph; }

std::int64_t QuantizedBlocks::bytes() const {
  std::int64_t sum = 0;
  for (const auto& block : parts_->blocks) {
    for (const Entry& entry : block) sum += entry.packed->bytes();
  }
  return sum;
}

}  // namespace salf::model
