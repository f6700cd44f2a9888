#include "salf/train/sketch.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/sign.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "salf/tensor/device.h"
#include "salf/train/freeze.h"
#include "salf/train/head_loss.h"

namespace salf::train {
namespace {

using Gradients = std::vector<at::Tensor>;  // in the order of Freeze::trained; undefined where none came

Gradients gradients_of(const model::GraphCut& cut, const Freeze& freeze, const tensor::Batch& batch, c10::ScalarType autocast) {
  const at::AutoGradMode record(true);
  at::Tensor loss;
  {
    const tensor::AutocastGuard guard(cut.head_weight().device(), autocast);
    const at::Tensor state = cut.suffix(cut.prefix(batch, 0), batch, 0);
    loss = head_loss(cut, supervised(state, batch), 1.0 / static_cast<double>(batch.supervised_tokens));
  }
  loss.backward();
  return freeze.take_gradients();
}

// ⟨a, sign b⟩ + ⟨b, sign a⟩
double agreement(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return 0.0;
  const at::Tensor left = a.flatten(), right = b.flatten();
  return at::dot(left, at::sign(right)).item<double>() + at::dot(right, at::sign(left)).item<double>();
}

types::GradientSketch by_part(const model::GraphCut& cut, const std::vector<model::Parameter>& parameters, const Gradients& a,
                              const Gradients& b) {
  std::map<std::string, std::int64_t> block_of;
  const std::int64_t blocks = cut.map().blocks;
  for (std::int64_t i = 0; i < blocks; ++i) {
    for (const auto& name : cut.block_parameters(i)) block_of[name] = i;
  }
  for (const auto& name : cut.final_parameters()) block_of[name] = blocks;
  types::GradientSketch sketch;
  sketch.blocks.assign(static_cast<std::size_t>(blocks), 0.0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto found = block_of.find(parameters[i].name);
    double& part = found == block_of.end()     ? sketch.embedding
                   : found->second == blocks ? sketch.final_norm
                                             : sketch.blocks[static_cast<std::size_t>(found->second)];
    part += agreement(a[i], b[i]) / 2.0;
  }
  for (double* part : {&sketch.embedding, &sketch.final_norm}) *part = std::max(0.0, *part);
  for (double& part : sketch.blocks) part = std::max(0.0, part);
  return sketch;
}

}  // namespace

std::optional<types::GradientSketch> gradient_sketch(const model::ScriptModel& model, const model::GraphCut& cut,
                                                     const data::Batcher& batcher, std::uint64_t seed,
                                                     c10::ScalarType autocast, core::Progress& progress) {
  std::vector<tensor::Batch> batches;
  for (const auto& plan : batcher.epoch(seed, 0)) {
    tensor::Batch batch = batcher.make(plan);
    if (batch.supervised_tokens > 0) batches.push_back(std::move(batch));
    if (batches.size() == 2) break;
  }
  if (batches.size() < 2) return std::nullopt;
  progress.begin("gradient sketch", 2, "batches");
  const Freeze freeze(model, cut, 0);
  const Gradients first = gradients_of(cut, freeze, batches[0], autocast);
  progress.update(1, "");
  const Gradients second = gradients_of(cut, freeze, batches[1], autocast);
  const at::NoGradGuard quiet;
  types::GradientSketch sketch = by_part(cut, freeze.trained(), first, second);
  sketch.supervised_tokens = batches[0].supervised_tokens + batches[1].supervised_tokens;
  progress.end();
  if (!std::isfinite(sketch.total())) return std::nullopt;
  return sketch;
}

}  // namespace salf::train
