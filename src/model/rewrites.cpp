#include "rewrites.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <array>
#include <optional>
#include <vector>

#include "salf/ops/operators.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// The operator that a node is to become, and what it is given.
struct Replacement {
  const char* name = nullptr;
  std::vector<jit::Value*> inputs;
};

bool is(const jit::Value* value, const char* kind) { return value->node()->kind() == c10::Symbol::fromQualString(kind); }

bool is_none(const jit::Value* value) { return value->mustBeNone(); }

// The one element of a list that is made where it is used.
jit::Value* only_element(const jit::Value* list) {
  const jit::Node* node = list->node();
  const bool single = node->kind() == c10::prim::ListConstruct && node->inputs().size() == 1;
  return single ? const_cast<jit::Value*>(node->input(0)) : nullptr;
}

bool is_integer(const jit::Value* value, std::int64_t expected) {
  const auto constant = jit::toIValue(value);
  return constant && constant->isInt() && constant->toInt() == expected;
}

// A list of one known integer, as a constant or made where it is used.
bool is_list_of(const jit::Value* list, std::int64_t expected) {
  const auto constant = jit::toIValue(list);
  if (constant && constant->isIntList()) return constant->toIntVector() == std::vector<std::int64_t>{expected};
  const jit::Value* element = only_element(list);
  return element != nullptr && is_integer(element, expected);
}

std::optional<Replacement> own_linear(jit::Node* node) {
  if (node->kind() != c10::aten::linear) return std::nullopt;
  return Replacement{"salf::linear", node->inputs().vec()};
}

std::optional<Replacement> own_rms_norm(jit::Node* node) {
  if (node->kind() != c10::Symbol::fromQualString("aten::rms_norm")) return std::nullopt;
  const auto shape = jit::toIValue(node->input(1));
  const bool one_dimension =
      only_element(node->input(1)) != nullptr || (shape && shape->isIntList() && shape->toIntVector().size() == 1);
  if (!one_dimension || is_none(node->input(2)) || is_none(node->input(3))) return std::nullopt;
  return Replacement{"salf::rms_norm", {node->input(0), node->input(2), node->input(3)}};
}

std::optional<Replacement> own_swiglu(jit::Node* node) {
  if (node->kind() != c10::aten::mul || node->inputs().size() != 2) return std::nullopt;
  for (const std::size_t side : {0U, 1U}) {
    jit::Value* gate = node->input(side);
    jit::Value* up = node->input(1 - side);
    if (is(gate, "aten::silu") && up->type()->isSubtypeOf(*c10::TensorType::get())) {
      return Replacement{"salf::swiglu", {gate->node()->input(0), up}};
    }
  }
  return std::nullopt;
}

std::optional<Replacement> own_rotary(jit::Node* node) {
  if (node->kind() != c10::aten::addcmul || !is_integer(node->input(3), 1)) return std::nullopt;
  jit::Value* product = node->input(0);
  jit::Value* rolled = node->input(1);
  if (!is(product, "aten::mul") || !is(rolled, "aten::roll")) return std::nullopt;
  jit::Value* x = product->node()->input(0);
  const jit::Node* roll = rolled->node();
  jit::Value* shift = only_element(roll->input(1));
  if (roll->input(0) != x || shift == nullptr || !is_list_of(roll->input(2), -1)) return std::nullopt;
  return Replacement{"salf::rotary", {x, product->node()->input(1), node->input(2), shift}};
}

void replace(jit::Node* node, const Replacement& by) {
  jit::WithInsertPoint here(node);
  jit::Graph* graph = node->owningGraph();
  jit::Node* made = graph->insertNode(graph->create(c10::Symbol::fromQualString(by.name), by.inputs));
  made->output()->setType(node->output()->type());
  node->output()->replaceAllUsesWith(made->output());
}

void rewrite(jit::Block* block) {
  constexpr std::array kRules = {own_linear, own_rms_norm, own_swiglu, own_rotary};
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) rewrite(inner);
    for (const auto rule : kRules) {
      if (const auto found = rule(node)) {
        replace(node, *found);
        break;
      }
    }
  }
}

}  // namespace

void use_own_operators(jit::Graph& graph) {
  ops::register_operators();
  rewrite(graph.block());
  jit::EliminateDeadCode(graph.block());
}

}  // namespace salf::model
