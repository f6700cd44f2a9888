#include "model/rewrites/rewrites.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/lower_tuples.h>

#include <array>
#include <cmath>

#include "ops/operators.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// x, and the ε under its root, of x / √(mean(x²) + ε).
struct Normalised {
  jit::Value* x = nullptr;
  jit::Value* epsilon = nullptr;
};

// The value without its casts, where nothing else uses what lies between.
jit::Value* bare(jit::Value* value, const KnownValues& known) {
  while (has_one_use(value) && known.without_casts(value) != value) value = value->node()->input(0);
  return value;
}

bool is_square_of(const jit::Value* square, const jit::Value* x) {
  const jit::Node& node = *square->node();
  if (is_kind(&node, "aten::pow")) return node.input(0) == x && is_number(node.input(1), 2.0);
  if (is_kind(&node, "aten::mul")) return node.input(0) == x && node.input(1) == x;
  return is_kind(&node, "aten::square") && node.input(0) == x;
}

bool is_mean_square_of(const jit::Value* mean, const jit::Value* x) {
  const jit::Node& node = *mean->node();
  if (!is_kind(&node, "aten::mean") || node.inputs().size() != 4) return false;
  const bool rows = is_list_of(node.input(1), -1) && is_bool(node.input(2), true);
  const bool plain = is_float32_or_none(node.input(3));
  return rows && plain && has_one_use(node.input(0)) && is_square_of(node.input(0), x);
}

std::optional<Normalised> normalised(jit::Value* value) {
  jit::Node* product = value->node();
  if (!is_kind(product, "aten::mul")) return std::nullopt;
  for (const std::size_t side : {0U, 1U}) {
    jit::Value* x = product->input(side);
    const jit::Value* root = product->input(1 - side);
    if (!is_kind(root, "aten::rsqrt") || !has_one_use(root)) continue;
    jit::Node* sum = root->node()->input(0)->node();
    if (!is_sum(*sum)) continue;
    const bool once = has_one_use(sum->output()) && has_one_use(sum->input(0));
    if (once && is_mean_square_of(sum->input(0), x)) return Normalised{x, sum->input(1)};
  }
  return std::nullopt;
}

// Llama's own code casts back by type_as(x).
jit::Value* without_type_as(jit::Value* value, const KnownValues& known) {
  if (!is_kind(value, "aten::type_as") || !has_one_use(value)) return value;
  const auto inner = normalised(value->node()->input(0));
  const bool own =
      inner && known.without_casts(inner->x) == known.without_casts(value->node()->input(1));
  return own ? value->node()->input(0) : value;
}

// x and the factor of factor · x.
struct Scaled {
  jit::Value* x = nullptr;
  double factor = 0;
};

std::optional<Scaled> scaled(jit::Value* value) {
  const jit::Node* node = value->node();
  if (!is_kind(node, "aten::mul") || !has_one_use(value)) return std::nullopt;
  for (const std::size_t side : {0U, 1U}) {
    const auto factor = known_number(node->input(side));
    if (factor) return Scaled{const_cast<jit::Value*>(node->input(1 - side)), *factor};
  }
  return std::nullopt;
}

bool is_near(double value, double expected) {
  return std::abs(value - expected) <= 1e-6 * std::abs(expected);
}

// 1 + tanh(√(2/π) (x + 0.044715 x³))
bool is_gelu_gate(const jit::Value* gate, const jit::Value* x) {
  const jit::Node* sum = gate->node();
  if (!is_sum(*sum)) return false;
  const std::size_t side = is_kind(sum->input(0), "aten::tanh") ? 0 : 1;
  const jit::Value* tanh = sum->input(side);
  if (!is_kind(tanh, "aten::tanh") || !is_number(sum->input(1 - side), 1.0) || !has_one_use(tanh))
    return false;
  const auto inner = scaled(const_cast<jit::Value*>(tanh->node()->input(0)));
  if (!inner || !is_near(inner->factor, std::sqrt(2.0 / std::acos(-1.0))) || !has_one_use(inner->x))
    return false;
  const jit::Node* argument = inner->x->node();
  jit::Value* cubic = is_sum(*argument) ? other_input(argument, x) : nullptr;
  const auto cube = cubic != nullptr ? scaled(cubic) : std::nullopt;
  if (!cube || !is_near(cube->factor, 0.044715) || !has_one_use(cube->x)) return false;
  const jit::Node* power = cube->x->node();
  return is_kind(power, "aten::pow") && power->input(0) == x && is_number(power->input(1), 3.0);
}

void rewrite(jit::Block* block, KnownValues& known) {
  constexpr std::array kRules = {own_linear, own_rms_norm, own_swiglu, own_rotary, own_attention,
      spelled_gelu, spelled_rotary, spelled_rms_norm, spelled_attention};
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) rewrite(inner, known);
    for (const auto rule : kRules) {
      const jit::WithInsertPoint here(node);
      jit::Value* made = rule(node, known);
      if (made == nullptr) continue;
      made->setType(node->output()->type());
      node->output()->replaceAllUsesWith(made);
      break;
    }
  }
}

}  // namespace

jit::Value* call(jit::Node* before, const char* name, const std::vector<jit::Value*>& inputs) {
  const std::vector<jit::NamedValue> arguments(inputs.begin(), inputs.end());
  return before->owningGraph()->insert(c10::Symbol::fromQualString(name), arguments);
}

// x · wᵀ, with w as it is or its transpose undone.
jit::Value* linear_of(
    jit::Node* node, jit::Value* x, jit::Value* factor, jit::Value* bias, KnownValues& known) {
  const bool turned = is_kind(factor, "aten::t") || is_kind(factor, "aten::numpy_T");
  jit::Value* matrix = turned ? factor->node()->input(0) : factor;
  const auto shape = known.shape(matrix);
  if (!shape || shape->rank != 2) return nullptr;
  return call(node, "salf::linear", {x, turned ? matrix : call(node, "aten::t", {matrix}), bias});
}

jit::Value* own_linear(jit::Node* node, KnownValues& known) {
  jit::Graph& graph = *node->owningGraph();
  if (node->kind() == c10::aten::linear) return call(node, "salf::linear", node->inputs().vec());
  if (node->kind() == c10::aten::addmm) {
    const auto bias = known.shape(node->input(0));
    const bool plain = is_number(node->input(3), 1.0) && is_number(node->input(4), 1.0);
    if (!bias || bias->rank != 1 || !plain) return nullptr;
    return linear_of(node, node->input(1), node->input(2), node->input(0), known);
  }
  if (node->kind() == c10::aten::matmul) {
    return linear_of(
        node, node->input(0), node->input(1), graph.insertConstant(c10::IValue()), known);
  }
  return nullptr;
}

jit::Value* own_rms_norm(jit::Node* node, KnownValues& /*known*/) {
  if (!is_kind(node, "aten::rms_norm")) return nullptr;
  const auto shape = jit::toIValue(node->input(1));
  const bool one_dimension = only_element(node->input(1)) != nullptr ||
                             (shape && shape->isIntList() && shape->toIntVector().size() == 1);
  if (!one_dimension || node->input(2)->mustBeNone() || node->input(3)->mustBeNone())
    return nullptr;
  return call(node, "salf::rms_norm", {node->input(0), node->input(2), node->input(3)});
}

jit::Value* spelled_rms_norm(jit::Node* node, KnownValues& known) {
  if (!is_kind(node, "aten::mul") || !known.only_float32()) return nullptr;
  for (const std::size_t side : {0U, 1U}) {
    jit::Value* inner = without_type_as(bare(node->input(1 - side), known), known);
    const auto norm = has_one_use(inner) ? normalised(inner) : std::nullopt;
    if (!norm) continue;
    // A weight of one element would be broadcast.
    const auto weight = known.shape(node->input(side));
    if (!weight || weight->rank != 1 || !weight->last || *weight->last < 2) continue;
    const auto epsilon = known_number(norm->epsilon);
    if (!epsilon && norm->epsilon->type()->kind() != c10::TypeKind::FloatType) continue;
    jit::Value* given = epsilon ? node->owningGraph()->insertConstant(*epsilon) : norm->epsilon;
    return call(node, "salf::rms_norm", {norm->x, node->input(side), given});
  }
  return nullptr;
}

jit::Value* own_swiglu(jit::Node* node, KnownValues& known) {
  if (!is_kind(node, "aten::mul") || node->inputs().size() != 2) return nullptr;
  for (const std::size_t side : {0U, 1U}) {
    const jit::Value* gate = bare(node->input(side), known);
    jit::Value* up = node->input(1 - side);
    if (!is_kind(gate, "aten::silu") || !has_one_use(gate) || !is_tensor_value(up)) continue;
    return call(node, "salf::swiglu", {const_cast<jit::Value*>(gate->node()->input(0)), up});
  }
  return nullptr;
}

// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), as GPT-2 has it.
jit::Value* spelled_gelu(jit::Node* node, KnownValues& /*known*/) {
  if (!is_kind(node, "aten::mul")) return nullptr;
  for (const std::size_t side : {0U, 1U}) {
    const auto half = scaled(node->input(side));
    const jit::Value* gate = node->input(1 - side);
    if (!half || !is_near(half->factor, 0.5) || !has_one_use(gate) || !is_gelu_gate(gate, half->x))
      continue;
    return node->owningGraph()->insert(
        c10::aten::gelu, {half->x}, {jit::NamedValue("approximate", "tanh")});
  }
  return nullptr;
}

void use_own_operators(const GraphPointer& graph, const jit::Module& module) {
  ops::register_operators();
  GraphPointer same = graph;
  jit::ConstantPropagationImmutableTypes(same);  // scripts ask for options that are constant
  jit::LowerSimpleTuples(graph);
  KnownValues known(*graph, module);
  rewrite(graph->block(), known);
  jit::EliminateDeadCode(graph->block());
  jit::EliminateCommonSubexpression(graph);  // tables that all blocks share are made once
  jit::EliminateDeadCode(graph->block());
}

}  // namespace salf::model
