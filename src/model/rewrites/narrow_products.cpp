#include "model/rewrites/narrow_products.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <map>

#include "model/rewrites/rewrites.h"
#include "ops/operators.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

jit::Value* cast(jit::Node* before, jit::Value* value, c10::ScalarType type) {
  const jit::WithInsertPoint here(before);
  return before->owningGraph()->insert(c10::aten::to, {value, type});
}

// The tensor at an attribute path of the module; undefined where there is none.
at::Tensor tensor_at(const jit::Module& module, const std::string& path) {
  c10::IValue value = module._ivalue();
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    if (!value.isObject()) return {};
    const auto& object = value.toObjectRef();
    const std::string name = path.substr(begin, end - begin);
    if (!object.type()->hasAttribute(name)) return {};
    value = object.getAttr(name);
    begin = end + 1;
  }
  return value.isTensor() ? value.toTensor() : at::Tensor();
}

class Narrowing {
 public:
  Narrowing(const GraphPointer& graph, const jit::Module& module, const std::string& wide_weight)
      : graph_(graph), module_(module), wide_weight_(wide_weight) {}

  std::vector<at::Tensor> run() {
    narrow(graph_->block());
    jit::EliminateDeadCode(graph_->block());
    jit::EliminateCommonSubexpression(graph_);  // products of one value share its cast
    return std::move(weights_);
  }

 private:
  void narrow(jit::Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      jit::Node* node = *it;
      ++it;  // the node may be destroyed
      for (jit::Block* inner : node->blocks()) narrow(inner);
      if (is_kind(node, "salf::state")) {
        replace(node, cast(node, node->input(0), c10::kBFloat16));
      } else if (is_kind(node, "salf::linear")) {
        narrow_linear(node);
      } else if (is_kind(node, "aten::matmul")) {
        replace(node, "salf::matmul");
      } else if (is_kind(node, "aten::layer_norm")) {
        replace(node, "salf::layer_norm");
      }
    }
  }

  void narrow_linear(jit::Node* node) {
    constexpr std::size_t kWeight = 1, kNarrow = 3;
    node->replaceInput(0, cast(node, node->input(0), c10::kBFloat16));
    jit::Value* weight = node->input(kWeight);
    const bool turned = is_kind(weight, "aten::t");
    if (turned) weight = weight->node()->input(0);
    const auto path = attribute_path(weight);
    if (!path) return;
    const jit::WithInsertPoint here(node);
    if (jit::Value* copy = weight_input(*path))
      node->replaceInput(kNarrow, turned ? call(node, "aten::t", {copy}) : copy);
    if (*path != wide_weight_) return;
    const jit::WithInsertPoint after(node->next());
    jit::Value* wide = graph_->insert(c10::aten::to, {node->output(), c10::kFloat});
    node->output()->replaceAllUsesAfterNodeWith(wide->node(), wide);
  }

  // The graph's input that takes the copy of the parameter at `path`; nullptr for none.
  jit::Value* weight_input(const std::string& path) {
    const at::Tensor parameter = tensor_at(module_, path);
    if (!parameter.defined()) return nullptr;
    const auto [entry, fresh] = inputs_.try_emplace(path, nullptr);
    if (fresh) {
      entry->second = graph_->addInput();
      weights_.push_back(parameter);
    }
    return entry->second;
  }

  void replace(jit::Node* node, const char* name) {
    const jit::WithInsertPoint here(node);
    replace(node, call(node, name, node->inputs().vec()));
  }

  static void replace(jit::Node* node, jit::Value* made) {
    made->setType(node->output()->type());
    node->output()->replaceAllUsesWith(made);
    node->destroy();
  }

  GraphPointer graph_;
  const jit::Module& module_;
  const std::string& wide_weight_;
  std::map<std::string, jit::Value*> inputs_;
  std::vector<at::Tensor> weights_;
};

}  // namespace

jit::Value* mark_state(jit::Value* value) {
  ops::register_operators();
  jit::Graph* graph = value->owningGraph();
  const jit::WithInsertPoint after(value->node()->next());
  jit::Value* marked = graph->insert(c10::Symbol::fromQualString("salf::state"), {value});
  value->replaceAllUsesAfterNodeWith(marked->node(), marked);
  return marked;
}

std::vector<at::Tensor> use_bfloat16(
    const GraphPointer& graph, const jit::Module& module, const std::string& wide_weight) {
  return Narrowing(graph, module, wide_weight).run();
}

}  // namespace salf::model
