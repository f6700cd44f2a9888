#include "model/rewrites/segments.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "model/rewrites/known_values.h"
#include "model/rewrites/rewrites.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::size_t kMaskInput = 3;      // of salf::attention
constexpr std::size_t kSegmentsInput = 8;  // likewise
constexpr std::size_t kIndicesInput = 1;   // of aten::embedding

void for_nodes(jit::Block* block, const std::function<void(jit::Node*)>& work) {
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) for_nodes(inner, work);
    work(node);
  }
}

bool is_attention(const jit::Node* node) { return is_kind(node, "salf::attention"); }

bool is_look_up_of_positions(
    const jit::Node& node, std::optional<std::size_t> mask_argument, const KnownValues& known) {
  if (!is_kind(&node, "aten::embedding")) return false;
  const Sources sources = known.sources(node.input(kIndicesInput));
  return sources.fixed && std::all_of(sources.arguments.begin(), sources.arguments.end(),
                              [&](std::size_t argument) { return argument == mask_argument; });
}

}  // namespace

bool insert_segments(const GraphPointer& graph, const jit::Module& module) {
  const KnownValues known(*graph, module);
  const auto mask_argument = forward_signature(module).mask;
  std::vector<jit::Node*> attentions, look_ups;
  for_nodes(graph->block(), [&](jit::Node* node) {
    if (is_attention(node)) attentions.push_back(node);
    if (is_look_up_of_positions(*node, mask_argument, known)) look_ups.push_back(node);
  });
  if (attentions.empty() && look_ups.empty()) return false;
  jit::Value* segments = graph->addInput()->setType(c10::OptionalType::ofTensor());
  for (jit::Node* node : attentions) node->replaceInput(kSegmentsInput, segments);
  for (jit::Node* node : look_ups) {
    const jit::WithInsertPoint here(node);
    node->replaceInput(kIndicesInput,
        call(node, "salf::restart_positions", {node->input(kIndicesInput), segments}));
  }
  return true;
}

std::int64_t masked_attentions(const jit::Graph& graph) {
  std::int64_t count = 0;
  for_nodes(const_cast<jit::Graph&>(graph).block(), [&count](const jit::Node* node) {
    if (is_attention(node) && !node->input(kMaskInput)->mustBeNone()) ++count;
  });
  return count;
}

}  // namespace salf::model
