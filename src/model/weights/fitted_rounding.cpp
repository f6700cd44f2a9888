#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "model/weights/quantized_blocks.h"
#include "ops/product_watch.h"

namespace salf::model {
namespace {

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

}  // namespace salf::model
