#include "model/weights/quantized_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "model/weights/narrow_weights.h"
#include "ops/operators.h"
#include "tensor/mapped_space.h"
#include "tensor/pool.h"

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

class Moments {
 public:
  Moments(const GraphCut& graph, std::vector<tensor::Batch> batches)
      : graph_(graph), batches_(std::move(batches)) {
    const at::NoGradGuard quiet;
    for (const tensor::Batch& batch : batches_) states_.push_back(graph_.prefix(batch, 0));
  }

  // Σ x xᵀ of what this parameter multiplies; undefined where it is not seen.
  at::Tensor of(const std::string& name, const at::Tensor& parameter) {
    while (names_.count(name) == 0 && block_ < graph_.map().blocks) run_next_block();
    const auto found = sums_.find(parameter.const_data_ptr());
    return found == sums_.end() ? at::Tensor() : found->second;
  }

 private:
  void run_next_block() {
    sums_.clear();
    names_.clear();
    for (std::string& name : graph_.block_parameters(block_)) {
      names_.insert(std::move(name));
    }
    const at::NoGradGuard quiet;
    for (std::size_t i = 0; i < batches_.size(); ++i) {
      at::Tensor last_input, last_sum;
      const at::Tensor real = batches_[i].mask.defined()
                                  ? batches_[i].mask.flatten().to(at::kFloat).unsqueeze(1)
                                  : at::Tensor();
      const ops::ProductWatch watch([&](const at::Tensor& x, const at::Tensor& weight) {
        if (!weight.is_contiguous() || weight.dim() != 2) return;
        if (!last_input.defined() || !last_input.is_same(x)) {  // q, k and v multiply the same
          const at::Tensor rows = x.reshape({-1, x.size(-1)});
          const at::Tensor kept =
              real.defined() && real.size(0) == rows.size(0) ? rows * real : rows;
          last_sum = at::mm(kept.t(), kept);
          last_input = x;
        }
        at::Tensor& sum = sums_[weight.const_data_ptr()];
        sum = sum.defined() ? sum + last_sum : last_sum;
      });
      states_[i] = graph_.block(states_[i], batches_[i], block_);
    }
    ++block_;
  }

  const GraphCut graph_;
  std::vector<tensor::Batch> batches_;
  std::vector<at::Tensor> states_;          // of each batch, before block_
  std::int64_t block_ = 0;                  // the next to run
  std::set<std::string> names_;             // parameters of the one that ran last
  std::map<const void*, at::Tensor> sums_;  // by the weight's memory
};

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

Packer fitted_rounding(
    ops::WeightFormat format, const GraphCut& graph, std::vector<tensor::Batch> batches) {
  // Shared, as a std::function is copied.
  const auto moments = std::make_shared<Moments>(graph, std::move(batches));
  return [format, moments](
             const std::string& name, const at::Tensor& matrix) -> std::unique_ptr<PackedMatrix> {
    const at::Tensor sums = moments->of(name, matrix);
    const bool fits = sums.defined() && sums.size(0) == matrix.size(1);
    return packed(fits ? ops::quantize(matrix, format, sums) : ops::quantize(matrix, format));
  };
}

struct QuantizedBlocks::Parts {
  Parts(const GraphCut& whole, std::int64_t count)
      : graph(whole.by_block(count, [this](std::int64_t block) { prepare(block); })),
        blocks(static_cast<std::size_t>(count)) {}
  ~Parts();
  void pack_all(const ScriptModel& model, const Packer& pack);
  void prepare(std::int64_t block);
  // Only one block has narrow copies at a time, or they would take more than the bits save.
  void forget_copies(const std::vector<Entry>& block) const;

  GraphCut graph;
  std::vector<std::vector<Entry>> blocks;
  std::map<std::string, at::Tensor> buffers;  // by the matrix's name within its block and its shape
  std::int64_t prepared = -1;                 // the block whose matrices the buffers hold
};

void QuantizedBlocks::Parts::pack_all(const ScriptModel& model, const Packer& pack) {
  for (std::int64_t block = 0; block < static_cast<std::int64_t>(blocks.size()); ++block) {
    const std::string prefix = graph.map().container + "." + std::to_string(block) + ".";
    for (const std::string& name : graph.block_parameters(block)) {
      const at::Tensor& parameter = model.parameter(name).tensor;
      auto packed = is_plain_matrix(parameter) ? pack(name, parameter) : nullptr;
      if (packed == nullptr) continue;
      const std::string key = name.substr(std::min(name.size(), prefix.size())) + " " +
                              std::to_string(parameter.size(0)) + " " +
                              std::to_string(parameter.size(1));
      at::Tensor& buffer = buffers[key];
      if (!buffer.defined()) buffer = at::empty(parameter.sizes(), at::kFloat);
      Entry entry{parameter, parameter.detach(), std::move(packed)};
      entry.parameter.set_data(buffer);
      tensor::release_pages(entry.original);
      blocks[static_cast<std::size_t>(block)].push_back(std::move(entry));
    }
    forget_copies(blocks[static_cast<std::size_t>(block)]);  // of the whole weights
  }
}

void QuantizedBlocks::Parts::forget_copies(const std::vector<Entry>& block) const {
  const auto& narrow = graph.narrow_weights();
  if (!narrow) return;
  for (const Entry& entry : block) narrow->forget(entry.parameter);
}

QuantizedBlocks::Parts::~Parts() {
  for (auto& block : blocks) {
    for (Entry& entry : block) entry.parameter.set_data(entry.original);
    forget_copies(block);
  }
}

void QuantizedBlocks::Parts::prepare(std::int64_t block) {
  if (block >= static_cast<std::int64_t>(blocks.size())) return;
  const at::NoGradGuard quiet;
  if (prepared >= 0 && prepared != block) forget_copies(blocks[static_cast<std::size_t>(prepared)]);
  prepared = block;
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
  tensor::trim_memory();  // what came before may have left free pages on the heap
}

QuantizedBlocks::~QuantizedBlocks() {
  parts_.reset();
  tensor::trim_memory();
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
