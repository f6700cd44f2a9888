#include "train/run/unread_weights.h"

#include <algorithm>
#include <set>
#include <string>

#include "core/error.h"
#include "core/log.h"
#include "model/weights/narrow_weights.h"
#include "train/run/stage.h"

namespace salf::train {
namespace {

// The frozen parameters that a step does not read: all where narrow copies take their place, those
// below the cut where a cache does. What a later stage trains is none of them.
std::vector<model::Parameter> unread_weights(
    const RunInputs& inputs, const Freeze& freeze, const PrefixCache* cache) {
  const bool narrow = inputs.what.graph.narrow_weights() != nullptr;
  if (narrow && inputs.what.plan.stages.empty()) return freeze.frozen();
  if (!narrow && cache == nullptr) return {};
  return weights_below(freeze, inputs.what.graph, inputs.what.plan.cut);
}

// Of what is trained, at any stage, the weights that a rank updates elsewhere (weight_part.h).
std::vector<model::Parameter> stale_weights(const RunInputs& inputs, const Freeze& freeze) {
  if (!updates_part(inputs)) return {};
  const bool stages = !inputs.what.plan.stages.empty();
  const auto& parameters = stages ? inputs.what.model.parameters() : freeze.trained();
  std::set<std::string> names = read_by_copies(inputs, parameters);
  for (const auto& below : weights_below(freeze, inputs.what.graph, inputs.what.plan.cut))
    names.erase(below.name);
  std::vector<model::Parameter> stale;
  for (const auto& parameter : parameters) {
    if (names.count(parameter.name) > 0) stale.push_back(parameter);
  }
  return stale;
}

// Takes out those that lie in the model's archive, where they stay. Returns their bytes.
std::int64_t take_out_archived(const RunInputs& inputs, std::vector<model::Parameter>& weights) {
  const auto archived = std::stable_partition(
      weights.begin(), weights.end(), [&inputs](const model::Parameter& parameter) {
        return !inputs.what.model.lies_in_archive(parameter);
      });
  std::int64_t bytes = 0;
  for (auto it = archived; it != weights.end(); ++it)
    bytes += static_cast<std::int64_t>(it->tensor.nbytes());
  weights.erase(archived, weights.end());
  return bytes;
}

// Nothing where there are none, or the disk has no room.
std::optional<MappedWeights> map_weights(
    const RunInputs& inputs, const std::vector<model::Parameter>& unread) {
  if (unread.empty()) return std::nullopt;
  try {
    MappedWeights mapped(unread, inputs.where.nameless());
    if (const auto& narrow = inputs.what.graph.narrow_weights()) {
      for (const auto& parameter : unread) narrow->moved(parameter.tensor);
      mapped.release();
    }
    return mapped;
  } catch (const Error& error) {
    core::log_info(std::string("weights that no step reads stay in memory: ") + error.what());
    return std::nullopt;
  }
}

// Of a GPU: the blocks' frozen parameters that steps read by narrow copies.
std::vector<model::Parameter> copied_weights(const RunInputs& inputs, const Freeze& freeze) {
  const model::GraphCut& graph = inputs.what.graph;
  if (!graph.narrow_weights() || !inputs.what.plan.stages.empty()) return {};
  std::set<std::string> blocks;
  for (std::int64_t block = 0; block < graph.map().blocks; ++block)
    for (auto& name : graph.block_parameters(block)) blocks.insert(std::move(name));
  std::vector<model::Parameter> copied;
  for (const auto& parameter : freeze.frozen()) {
    const bool has_copy = graph.narrow_weights()->to_write(parameter.tensor).defined();
    if (has_copy && blocks.count(parameter.name) > 0) copied.push_back(parameter);
  }
  return copied;
}

// Of a GPU: embedding and head where they are frozen and steps compute in a narrower type.
std::vector<model::Parameter> outer_weights(const RunInputs& inputs, const Freeze& freeze) {
  const model::GraphCut& graph = inputs.what.graph;
  if (!graph.narrow_weights() || !inputs.what.plan.stages.empty()) return {};
  std::vector<model::Parameter> outer;
  for (const auto& parameter : freeze.frozen()) {
    const bool is_outer = parameter.name == graph.map().embedding_parameter ||
                          parameter.name == graph.map().head_parameter;
    if (is_outer && parameter.tensor.scalar_type() == c10::kFloat) outer.push_back(parameter);
  }
  return outer;
}

}  // namespace

UnreadWeights::UnreadWeights(
    const RunInputs& inputs, const Freeze& freeze, const PrefixCache* cache)
    : inputs_(inputs), on_cpu_(inputs.what.graph.head_weight().device().is_cpu()) {
  if (on_cpu_) {
    std::vector<model::Parameter> unread = unread_weights(inputs, freeze, cache);
    in_archive_ = take_out_archived(inputs, unread);
    mapped_ = map_weights(inputs, unread);
    std::vector<model::Parameter> stale = stale_weights(inputs, freeze);
    take_out_archived(inputs, stale);
    stale_ = map_weights(inputs, stale);
  } else {
    const auto& narrow = inputs.what.graph.narrow_weights();
    copied_.emplace(copied_weights(inputs, freeze), narrow);
    if (narrow) outer_.emplace(outer_weights(inputs, freeze), *narrow);
  }
}

void UnreadWeights::all_cached(const Freeze& freeze) {
  if (released_) return;
  released_ = true;
  inputs_.what.graph.prefix_is_unread();
  const std::vector<model::Parameter> below =
      weights_below(freeze, inputs_.what.graph, inputs_.what.plan.cut);
  if (mapped_) mapped_->release();
  if (const auto& narrow = inputs_.what.graph.narrow_weights()) {
    std::vector<model::Parameter> embedding;  // which has no copy
    for (const auto& parameter : below) {
      narrow->forget(parameter.tensor);
      if (parameter.name == inputs_.what.graph.map().embedding_parameter)
        embedding.push_back(parameter);
    }
    if (!on_cpu_) below_.emplace(embedding, narrow);
  } else if (!on_cpu_) {
    below_.emplace(below, nullptr);
  }
}

std::int64_t UnreadWeights::bytes() const {
  std::int64_t sum = in_archive_;
  if (mapped_) sum += mapped_->bytes();
  if (outer_) sum += outer_->bytes();
  for (const auto* moved : {&copied_, &below_}) {
    if (*moved) sum += (*moved)->bytes();
  }
  return sum;
}

}  // namespace salf::train
