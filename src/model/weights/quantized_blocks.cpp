#include "model/weights/quantized_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "model/weights/narrow_weights.h"
#include "ops/operators.h"
#include "tensor/device.h"
#include "tensor/mapped_space.h"
#include "tensor/pool.h"

namespace salf::model {
namespace {

// One matrix of one block.
struct Entry {
  at::Tensor parameter;  // live; its memory is the buffer
  at::Tensor original;   // as it was loaded, on the host
  std::unique_ptr<PackedMatrix> packed;
  std::string buffer;  // its key
};

class RoundedMatrix final : public PackedMatrix {
 public:
  explicit RoundedMatrix(ops::QuantizedMatrix matrix) : matrix_(std::move(matrix)) {}
  void unpack_(at::Tensor& out) const override { ops::dequantize_(matrix_, out); }
  bool move(c10::Device device) override {
    matrix_ = matrix_.on(device);
    return true;
  }
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
              real.defined() && real.size(0) == rows.size(0) ? rows * real.to(rows.device()) : rows;
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
    return packed(ops::quantize(matrix.to(c10::kCPU), format));
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
    const at::Tensor here = matrix.to(c10::kCPU);
    return packed(fits ? ops::quantize(here, format, sums.to(c10::kCPU, at::kFloat))
                       : ops::quantize(here, format));
  };
}

struct QuantizedBlocks::Parts {
  Parts(const GraphCut& whole, c10::Device on, std::int64_t count)
      : graph(whole.by_block(
            count, [this](std::int64_t block) { prepare(block); }, [this] { leave(); })),
        device(on), blocks(static_cast<std::size_t>(count)) {}
  ~Parts();
  void pack_all(const ScriptModel& model, const Packer& pack);
  void add(std::int64_t block, const std::string& name, const at::Tensor& parameter,
      std::unique_ptr<PackedMatrix> packed);
  void prepare(std::int64_t block);
  void leave();
  void come_back();
  void use_buffer(Entry& entry);
  // Only one block has narrow copies at a time, or they would take more than the bits save.
  void forget_copies(const std::vector<Entry>& block) const;

  GraphCut graph;
  c10::Device device;
  bool here = true;  // whether bits and buffers are on the device
  std::vector<std::vector<Entry>> blocks;
  std::map<std::string, at::Tensor> buffers;  // by the matrix's name within its block and its shape
  std::int64_t prepared = -1;                 // the block whose matrices the buffers hold
};

void QuantizedBlocks::Parts::pack_all(const ScriptModel& model, const Packer& pack) {
  for (std::int64_t block = 0; block < static_cast<std::int64_t>(blocks.size()); ++block) {
    for (const std::string& name : graph.block_parameters(block)) {
      const at::Tensor& parameter = model.parameter(name).tensor;
      auto packed = is_plain_matrix(parameter) ? pack(name, parameter) : nullptr;
      if (packed == nullptr) continue;
      if (!packed->move(device)) {
        throw Error(ErrorKind::kUsage,
            "--frozen-dtype gguf runs on the CPU only: a GPU takes bf16, int8 or int4; choose one "
            "of them, or leave out --device");
      }
      add(block, name, parameter, std::move(packed));
    }
    forget_copies(blocks[static_cast<std::size_t>(block)]);  // of the whole weights
  }
}

void QuantizedBlocks::Parts::add(std::int64_t block, const std::string& name,
    const at::Tensor& parameter, std::unique_ptr<PackedMatrix> packed) {
  const std::string prefix = graph.map().container + "." + std::to_string(block) + ".";
  std::string key = name.substr(std::min(name.size(), prefix.size())) + " " +
                    std::to_string(parameter.size(0)) + " " + std::to_string(parameter.size(1));
  Entry entry{parameter, parameter.detach().to(c10::kCPU), std::move(packed), std::move(key)};
  use_buffer(entry);
  tensor::release_pages(entry.original);
  blocks[static_cast<std::size_t>(block)].push_back(std::move(entry));
}

void QuantizedBlocks::Parts::use_buffer(Entry& entry) {
  at::Tensor& buffer = buffers[entry.buffer];
  if (!buffer.defined())
    buffer = at::empty(entry.original.sizes(), at::TensorOptions(at::kFloat).device(device));
  entry.parameter.set_data(buffer);
}

void QuantizedBlocks::Parts::leave() {
  if (device.is_cpu() || !here) return;
  here = false;
  prepared = -1;
  for (auto& block : blocks) {
    forget_copies(block);
    for (Entry& entry : block) {
      entry.parameter.set_data(entry.original);
      entry.packed->move(c10::kCPU);
    }
  }
  buffers.clear();
}

void QuantizedBlocks::Parts::come_back() {
  if (here) return;
  here = true;
  for (auto& block : blocks) {
    for (Entry& entry : block) {
      use_buffer(entry);
      entry.packed->move(device);
    }
  }
}

void QuantizedBlocks::Parts::forget_copies(const std::vector<Entry>& block) const {
  const auto& narrow = graph.narrow_weights();
  if (!narrow) return;
  for (const Entry& entry : block) narrow->forget(entry.parameter);
}

QuantizedBlocks::Parts::~Parts() {
  try {
    for (auto& block : blocks) {
      for (Entry& entry : block) {
        entry.packed.reset();
        entry.parameter.set_data(entry.original);
      }
      forget_copies(block);
    }
    buffers.clear();
    for (auto& block : blocks) {
      for (Entry& entry : block) entry.parameter.set_data(entry.original.to(device));
    }
  } catch (const std::exception& error) {
    core::log_error("frozen weights could not go back to the GPU: " + tensor::error_text(error));
  }
}

void QuantizedBlocks::Parts::prepare(std::int64_t block) {
  if (block >= static_cast<std::int64_t>(blocks.size())) return;
  const at::NoGradGuard quiet;
  come_back();
  if (prepared >= 0 && prepared != block) forget_copies(blocks[static_cast<std::size_t>(prepared)]);
  prepared = block;
  for (const Entry& entry : blocks[static_cast<std::size_t>(block)]) {
    at::Tensor buffer = entry.parameter.detach();
    entry.packed->unpack_(buffer);
  }
}

QuantizedBlocks::QuantizedBlocks(
    const ScriptModel& model, const GraphCut& graph, const Packer& pack, std::int64_t count) {
  parts_ = std::make_unique<Parts>(graph, model.device(), count);
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
