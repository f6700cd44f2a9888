#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <unordered_set>

#include "model/graph/block_finder.h"
#include "model/rewrites/known_values.h"
#include "tensor/shapes.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// The same numbers under another type or layout.
bool keeps_values(const jit::Node* node) {
  static const char* const kNames[] = {"aten::to", "aten::float", "aten::contiguous", "aten::clone",
      "aten::type_as", "aten::alias", "aten::detach", "prim::TupleUnpack"};
  return std::any_of(std::begin(kNames), std::end(kNames),
      [node](const char* name) { return is_kind(node, name); });
}

std::string parameter_name(const jit::Value* value, const ScriptModel& model) {
  const auto path = attribute_path(value);
  if (!path || path->empty()) return "";
  const Parameter* parameter = model.find_parameter(*path);
  return parameter != nullptr ? parameter->name : "";
}

// linear(x, W, b), or matmul(x, t(W)): fills the head if W is a parameter with two dimensions.
bool read_product(jit::Node* node, const ScriptModel& model, HeadGraph& head) {
  std::string weight;
  if (is_kind(node, "aten::linear")) {
    weight = parameter_name(node->input(1), model);
    if (!weight.empty() && node->input(2)->type() != c10::NoneType::get()) {
      head.bias = parameter_name(node->input(2), model);
      if (head.bias.empty()) return false;
    }
  } else if (is_kind(node, "aten::matmul")) {
    const jit::Node* transpose = node->input(1)->node();
    const bool transposes = is_kind(transpose, "aten::t") ||
                            is_kind(transpose, "aten::transpose") ||
                            is_kind(transpose, "aten::numpy_T");
    if (transposes) weight = parameter_name(transpose->input(0), model);
  }
  if (weight.empty() || model.parameter(weight).tensor.dim() != 2) return false;
  head.weight = weight;
  head.state = node->input(0);
  return true;
}

// Inlines the calls after the last block; the blocks' own calls stay.
void inline_tail(BlockGraph& blocks) {
  const std::unordered_set<const jit::Node*> keep(blocks.calls.begin(), blocks.calls.end());
  const jit::Node* last = blocks.calls.back();
  inline_calls(*blocks.graph, [&](const jit::Node& node) {
    return keep.count(&node) == 0 && node.owningBlock() == last->owningBlock() &&
           node.isAfter(last);
  });
  // Inlining replaces a call's results by the callee's values.
  blocks.logits = logits_value(*blocks.graph);
}

}  // namespace

HeadGraph find_head(BlockGraph& blocks, const ScriptModel& model) {
  inline_tail(blocks);
  HeadGraph head;
  auto tail = needed_nodes(blocks.graph, {blocks.hidden.back()}, {blocks.logits});
  std::reverse(tail.begin(), tail.end());  // the nearest to the logits first
  for (jit::Node* node : tail) {
    if (!read_product(node, model, head)) continue;
    const jit::Value* end = blocks.logits;
    while (end != node->output() && keeps_values(end->node())) end = end->node()->input(0);
    head.plain = end == node->output();
    return head;
  }
  refuse(
      "no head was found: between the last block and the logits there is no product with a "
      "weight [V, D] of the model");
}

std::string find_embedding(const jit::Graph& prefix, const ScriptModel& model) {
  std::string largest;
  for (const jit::Node* node : prefix.block()->nodes()) {
    if (!is_kind(node, "aten::embedding")) continue;
    const std::string name = parameter_name(node->input(0), model);
    if (name.empty()) continue;
    if (largest.empty() ||
        model.parameter(name).tensor.size(0) > model.parameter(largest).tensor.size(0)) {
      largest = name;
    }
  }
  return largest;
}

std::set<std::string> trainable_parameters_of(const jit::Graph& graph, const ScriptModel& model) {
  std::set<std::string> names;
  std::unordered_set<const jit::Value*> seen;
  std::vector<const jit::Value*> open(graph.outputs().begin(), graph.outputs().end());
  while (!open.empty()) {
    const jit::Value* value = open.back();
    open.pop_back();
    const jit::Node* node = value->node();
    // No gradient goes through what is read off a tensor: a size, a device, a number.
    const auto kind = value->type()->kind();
    const bool number = kind == c10::TypeKind::IntType || kind == c10::TypeKind::NumberType ||
                        kind == c10::TypeKind::BoolType;
    if (number || !seen.insert(value).second) continue;
    const std::string name = node->kind() == c10::prim::GetAttr ? parameter_name(value, model) : "";
    if (!name.empty()) names.insert(name);
    open.insert(open.end(), node->inputs().begin(), node->inputs().end());
    for (const jit::Block* inner : node->blocks()) {
      open.insert(open.end(), inner->outputs().begin(), inner->outputs().end());
    }
  }
  return names;
}

GraphPointer slice_above_blocks(
    const BlockGraph& blocks, jit::Value* input, jit::Value* output, const std::string& what) {
  const auto nodes = needed_nodes(blocks.graph, {input}, {output});
  for (const jit::Node* call : blocks.calls) {
    if (std::find(nodes.begin(), nodes.end(), call) == nodes.end()) continue;
    refuse(what + " reads more than the last block's hidden state (an output of " +
           attribute_path(call->input(0)).value_or("a block") + " as well)");
  }
  return slice(blocks.graph, {input}, {output});
}

std::string written_in_place(const GraphPointer& graph) {
  const jit::AliasDb aliases(graph);
  const jit::ValueSet outputs(graph->outputs().begin(), graph->outputs().end());
  for (jit::Node* node : graph->block()->nodes()) {
    const auto* schema = node->maybeSchema();
    if (schema != nullptr && schema->is_mutable() && aliases.writesToAlias(node, outputs)) {
      return node->kind().toQualString();
    }
  }
  return "";
}

}  // namespace salf::model
