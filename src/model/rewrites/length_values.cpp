#include "model/rewrites/length_values.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "model/rewrites/known_values.h"
#include "model/rewrites/rewrites.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::size_t kAttentionMask = 3;  // place in the schema of salf::attention

enum class Origin { kFixed, kLength, kTokens };

bool may_be_tensor(const jit::Value* value) {
  return value->type()->isSubtypeOf(*c10::OptionalType::ofTensor()) &&
         value->type()->kind() != c10::TypeKind::NoneType;
}

// Where the elements of each value of a graph come from.
class Origins {
 public:
  Origins(const jit::Graph& graph, const jit::Module& module) {
    const ForwardSignature signature = forward_signature(module);
    const std::size_t forward_inputs = signature.defaults.size() + 1;
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const bool fixed = i == 0 || (i > 1 && i < forward_inputs);
      origins_[graph.inputs()[i]] = fixed ? Origin::kFixed : Origin::kTokens;
    }
    if (signature.mask) origins_[graph.inputs()[*signature.mask]] = Origin::kLength;
    visit(*graph.block());
  }

  Origin of(const jit::Value* value) const {
    const auto found = origins_.find(value);
    return found == origins_.end() ? Origin::kTokens : found->second;
  }

 private:
  void visit(const jit::Block& block) {
    for (const jit::Node* node : block.nodes()) {
      if (node->blocks().empty()) {
        set_outputs(*node, plain(*node));
      } else {
        visit_blocks(*node);
      }
    }
  }

  Origin plain(const jit::Node& node) const {
    const c10::FunctionSchema* schema = node.maybeSchema();
    if (node.isNondeterministic() || (schema != nullptr && schema->is_mutable()))
      return Origin::kTokens;
    Origin origin = Origin::kFixed;
    for (std::size_t i = 0; i < node.inputs().size(); ++i) {
      const Origin input = of(node.input(i));
      const bool shape_only = input == Origin::kTokens && ignores_elements(node, i);
      origin = std::max(origin, shape_only ? Origin::kLength : input);
    }
    return origin;
  }

  // The results of a branch come from its condition and from either side; those of a loop are not
  // followed.
  void visit_blocks(const jit::Node& node) {
    const bool branch = node.kind() == c10::prim::If;
    for (const jit::Block* inner : node.blocks()) {
      for (const jit::Value* input : inner->inputs()) origins_[input] = Origin::kTokens;
      visit(*inner);
    }
    set_outputs(node, branch ? of(node.input(0)) : Origin::kTokens);
    for (std::size_t i = 0; branch && i < node.outputs().size(); ++i) {
      Origin& origin = origins_[node.output(i)];
      for (const jit::Block* inner : node.blocks())
        origin = std::max(origin, of(inner->outputs()[i]));
    }
  }

  void set_outputs(const jit::Node& node, Origin origin) {
    for (const jit::Value* output : node.outputs()) origins_[output] = origin;
  }

  std::unordered_map<const jit::Value*, Origin> origins_;
};

// The values that come from the length and meet others.
class Border {
 public:
  Border(jit::Graph& graph, const Origins& origins) : graph_(graph), origins_(origins) {
    for (jit::Node* node : graph.nodes()) {
      if (meets_tokens(*node)) read(node);
    }
    for (jit::Value* output : graph.outputs()) add(output);
  }

  const std::vector<jit::Value*>& values() const { return values_; }

 private:
  bool meets_tokens(const jit::Node& node) const {
    return node.outputs().empty() ||
           std::any_of(node.outputs().begin(), node.outputs().end(),
               [this](const jit::Value* value) { return origins_.of(value) == Origin::kTokens; });
  }

  void read(jit::Node* node) {
    for (jit::Value* input : node->inputs()) add(input);
    for (jit::Block* inner : node->blocks()) {
      for (jit::Node* inside : inner->nodes()) read(inside);
      for (jit::Value* output : inner->outputs()) add(output);
    }
  }

  void add(jit::Value* value) {
    const bool outer =
        value->node()->owningBlock() == graph_.block() || value->node() == graph_.param_node();
    if (!outer || origins_.of(value) != Origin::kLength) return;
    if (is_kind(value, "aten::__is__") || is_kind(value, "aten::__isnot__"))
      add(value->node()->input(0));
    if (may_be_tensor(value) && seen_.insert(value).second) values_.push_back(value);
  }

  jit::Graph& graph_;
  const Origins& origins_;
  std::vector<jit::Value*> values_;
  std::unordered_set<const jit::Value*> seen_;
};

void for_nodes(jit::Block* block, const std::function<void(jit::Node*)>& work) {
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) for_nodes(inner, work);
    work(node);
  }
}

// The value before casts and steps that work element by element.
jit::Value* before_steps(jit::Value* value) {
  constexpr std::array<const char*, 7> kSteps = {"aten::to", "aten::dropout", "aten::masked_fill",
      "aten::mul", "aten::div", "aten::tanh", "aten::add"};
  const auto is_step = [&value](const char* step) { return is_kind(value, step); };
  while (std::any_of(kSteps.begin(), kSteps.end(), is_step)) value = value->node()->input(0);
  return value;
}

void remember(jit::Node* node, std::size_t input) {
  const jit::WithInsertPoint here(node);
  node->replaceInput(input, call(node, "salf::remembered", {node->input(input)}));
}

// softmax(f(q kᵀ)) v, which use_own_operators left as it is.
void remember_spelled_attentions(jit::Graph& graph) {
  for_nodes(graph.block(), [](jit::Node* node) {
    if (!is_kind(node, "aten::matmul")) return;
    const jit::Value* weights = before_steps(node->input(0));
    if (!is_kind(weights, "aten::softmax")) return;
    jit::Node* scores = before_steps(const_cast<jit::Node*>(weights->node())->input(0))->node();
    if (!is_kind(scores, "aten::matmul") || !is_kind(scores->input(1), "aten::transpose")) return;
    remember(scores->input(1)->node(), 0);
    remember(node, 1);
  });
}

bool is_for_attention(const jit::Value& value) {
  return std::any_of(value.uses().begin(), value.uses().end(), [](const jit::Use& use) {
    return is_kind(use.user, "salf::attention") && use.offset == kAttentionMask;
  });
}

}  // namespace

LengthValues take_length_values(const GraphPointer& graph, const jit::Module& module) {
  remember_spelled_attentions(*graph);
  const Origins origins(*graph, module);
  const std::vector<jit::Value*> values = Border(*graph, origins).values();
  LengthValues taken;
  taken.graph = slice(graph, {}, values);
  for (jit::Value* value : values) {
    taken.for_attention.push_back(is_for_attention(*value));
    value->replaceAllUsesWith(graph->addInput()->setType(value->type()));
  }
  jit::EliminateDeadCode(graph);
  return taken;
}

}  // namespace salf::model
