#include "salf/model/quantized_blocks.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <malloc.h>

#include <map>
#include <string>
#include <vector>

#include "salf/core/error.h"
#include "salf/tensor/mapped_space.h"

namespace salf::model {
namespace {

// One matrix of one block.
struct Entry {
  at::Tensor parameter;  // live; its memory is the buffer
  at::Tensor original;   // as it was loaded
  ops::QuantizedMatrix quantized;
};

bool is_plain_matrix(const at::Tensor& tensor) {
  return tensor.dim() == 2 && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

}  // namespace

struct QuantizedBlocks::Parts {
  Parts(const ScriptModel& model, GraphCut& graph_cut, ops::WeightFormat format, std::int64_t count);
  void add(std::int64_t block, const std::string& name, const at::Tensor& parameter, ops::WeightFormat format);
  void prepare(std::int64_t block) const;

  GraphCut& cut;
  std::vector<std::vector<Entry>> blocks;
  std::map<std::string, at::Tensor> buffers;  // by the matrix's name within its block and its shape
};

QuantizedBlocks::Parts::Parts(const ScriptModel& model, GraphCut& graph_cut, ops::WeightFormat format, std::int64_t count)
    : cut(graph_cut), blocks(static_cast<std::size_t>(count)) {
  for (std::int64_t block = 0; block < count; ++block) {
    const std::string prefix = cut.map().container + "." + std::to_string(block) + ".";
    for (const std::string& name : cut.block_parameters(block)) {
      const at::Tensor& parameter = model.parameter(name).tensor;
      if (is_plain_matrix(parameter)) add(block, name.substr(std::min(name.size(), prefix.size())), parameter, format);
    }
  }
}

void QuantizedBlocks::Parts::add(std::int64_t block, const std::string& name, const at::Tensor& parameter,
                                 ops::WeightFormat format) {
  const std::string key = name + " " + std::to_string(parameter.size(0)) + " " + std::to_string(parameter.size(1));
  at::Tensor& buffer = buffers[key];
  if (!buffer.defined()) buffer = at::empty(parameter.sizes(), at::kFloat);
  Entry entry{parameter, parameter.detach(), ops::quantize(parameter, format)};
  entry.parameter.set_data(buffer);
  tensor::release_pages(entry.original);
  blocks[static_cast<std::size_t>(block)].push_back(std::move(entry));
}

void QuantizedBlocks::Parts::prepare(std::int64_t block) const {
  if (block >= static_cast<std::int64_t>(blocks.size())) return;
  const at::NoGradGuard quiet;
  for (const Entry& entry : blocks[static_cast<std::size_t>(block)]) {
    at::Tensor buffer = entry.parameter.detach();
    ops::dequantize_(entry.quantized, buffer);
  }
}

QuantizedBlocks::QuantizedBlocks(const ScriptModel& model, GraphCut& cut, ops::WeightFormat format, std::int64_t count) {
  if (!model.device().is_cpu()) {
    throw Error(ErrorKind::kUsage, "quantised frozen blocks (--frozen-dtype) run on the CPU only; leave out --frozen-dtype or --device");
  }
  parts_ = std::make_unique<Parts>(model, cut, format, count);
  ::malloc_trim(0);  // what came before may have left free pages on the heap
  cut.run_by_block([this](std::int64_t block) { parts_->prepare(block); });
}

QuantizedBlocks::~QuantizedBlocks() {
  parts_->cut.run_by_block(nullptr);
  for (auto& block : parts_->blocks) {
    for (Entry& entry : block) entry.parameter.set_data(entry.original);
  }
  parts_.reset();
  ::malloc_trim(0);
}

std::int64_t QuantizedBlocks::bytes() const {
  std::int64_t sum = 0;
  for (const auto& block : parts_->blocks) {
    for (const Entry& entry : block) sum += entry.quantized.bytes();
  }
  return sum;
}

}  // namespace salf::model
