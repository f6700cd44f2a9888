#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "model/rewrites/known_values.h"
#include "model/rewrites/rewrites.h"
#include "model/weights/lora.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::size_t kWeight = 1;

// The parameter that a product multiplies by, by its path in the module.
struct WeightUse {
  std::string path;
  bool transposed = false;
};

std::optional<WeightUse> weight_of(const jit::Node& product) {
  const jit::Value* weight = product.input(kWeight);
  WeightUse use;
  use.transposed = is_kind(weight, "aten::t");
  if (use.transposed) weight = weight->node()->input(0);
  if (weight->node()->kind() != c10::prim::GetAttr) return std::nullopt;
  const auto path = attribute_path(weight);
  if (!path) return std::nullopt;
  use.path = *path;
  return use;
}

void for_products(jit::Block* block, const std::function<void(jit::Node*)>& visit) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    jit::Node* node = *it;
    ++it;  // the visit may destroy the node
    for (jit::Block* inner : node->blocks()) for_products(inner, visit);
    if (is_kind(node, "salf::linear")) visit(node);
  }
}

// "3" of "model.layers.3.mlp.up_proj.weight" under "model.layers".
std::optional<std::int64_t> block_of(const std::string& path, const std::string& container) {
  if (path.rfind(container + ".", 0) != 0) return std::nullopt;
  const std::string rest = path.substr(container.size() + 1);
  const std::string number = rest.substr(0, rest.find('.'));
  const bool digits = !number.empty() && number.size() < 8 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::optional<std::int64_t>(std::stoll(number)) : std::nullopt;
}

std::string module_of(const std::string& path) { return path.substr(0, path.rfind('.')); }

}  // namespace

std::vector<LinearLayer> find_linear_layers(
    jit::Graph& graph, const ScriptModel& model, const std::string& container) {
  std::vector<LinearLayer> layers;
  for_products(graph.block(), [&](jit::Node* node) {
    const auto use = weight_of(*node);
    const auto block = use ? block_of(use->path, container) : std::nullopt;
    const Parameter* parameter = block ? model.find_parameter(use->path) : nullptr;
    if (parameter == nullptr || parameter->tensor.dim() != 2) return;
    LinearLayer layer{module_of(use->path), parameter->name, *block, parameter->tensor.size(1),
        parameter->tensor.size(0), use->transposed};
    if (layer.transposed) std::swap(layer.in, layer.out);
    const auto known = [&](const LinearLayer& other) { return other.weight == layer.weight; };
    if (std::none_of(layers.begin(), layers.end(), known)) layers.push_back(layer);
  });
  std::stable_sort(layers.begin(), layers.end(),
      [](const LinearLayer& a, const LinearLayer& b) { return a.block < b.block; });
  return layers;
}

std::vector<at::Tensor> insert_branches(
    const GraphPointer& graph, const std::vector<LoraLayer>& layers) {
  struct Branch {
    jit::Value* a = nullptr;
    jit::Value* b = nullptr;
  };
  std::vector<at::Tensor> inputs;
  std::map<std::string, Branch> branches;
  for_products(graph->block(), [&](jit::Node* node) {
    const auto use = weight_of(*node);
    if (!use) return;
    const auto layer = std::find_if(layers.begin(), layers.end(), [&](const LoraLayer& candidate) {
      return candidate.layer.module == module_of(use->path) || candidate.layer.weight == use->path;
    });
    if (layer == layers.end()) return;
    auto [branch, fresh] = branches.try_emplace(layer->layer.module);
    if (fresh) {
      branch->second = {graph->addInput(), graph->addInput()};
      inputs.push_back(layer->a);
      inputs.push_back(layer->b);
    }
    const jit::WithInsertPoint here(node);
    jit::Value* made = call(node, "salf::lora_linear",
        {node->input(0), node->input(1), node->input(2), branch->second.a, branch->second.b,
            graph->insertConstant(layer->scale)});
    made->setType(node->output()->type());
    node->output()->replaceAllUsesWith(made);
    node->destroy();
  });
  return inputs;
}

}  // namespace salf::model
