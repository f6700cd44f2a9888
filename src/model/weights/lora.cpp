#include "model/weights/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "model/rewrites/rewrites.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr const char* kEverything = "all-linear";
constexpr const char* kA = ".lora_A";
constexpr const char* kB = ".lora_B";

std::string last_components(const std::vector<LinearLayer>& layers) {
  std::set<std::string> names;
  for (const LinearLayer& layer : layers)
    names.insert(core::printable(layer.module.substr(layer.module.rfind('.') + 1)));
  return core::join({names.begin(), names.end()}, ", ");
}

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

std::string module_path(const std::string& path) { return path.substr(0, path.rfind('.')); }

}  // namespace

double LoraScale::factor() const {
  const auto size = static_cast<double>(rank);
  return alpha / (rank_stabilized ? std::sqrt(size) : size);
}

std::vector<LoraLayer> make_lora(const ScriptModel& model, const std::vector<LinearLayer>& layers,
    const LoraScale& scale, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  std::vector<LoraLayer> made;
  for (const LinearLayer& layer : layers) {
    if (scale.rank > std::min(layer.in, layer.out)) {
      throw Error(ErrorKind::kUsage,
          "a rank of " + std::to_string(scale.rank) + " is larger than the matrix of " +
              core::printable(layer.module) + ", [" + std::to_string(layer.out) + ", " +
              std::to_string(layer.in) + "]: the rank of LoRA is to be small, 8 to 64 say");
    }
    const at::TensorOptions options =
        at::TensorOptions(at::kFloat).device(model.parameter(layer.weight).tensor.device());
    const double bound = 1.0 / std::sqrt(static_cast<double>(layer.in));
    const at::Tensor a =
        at::rand({scale.rank, layer.in}, generator, at::kFloat).mul_(2.0 * bound).sub_(bound);
    made.push_back({layer, a.to(options.device()), at::zeros({layer.out, scale.rank}, options),
        scale.factor()});
  }
  return made;
}

std::vector<LinearLayer> choose_layers(
    const std::vector<LinearLayer>& layers, const std::vector<std::string>& targets) {
  std::vector<bool> chosen(layers.size(), false);
  for (const std::string& target : targets) {
    bool found = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (target != kEverything && !core::ends_with("." + layers[i].module, "." + target)) continue;
      chosen[i] = found = true;
    }
    if (found) continue;
    throw Error(ErrorKind::kUsage,
        "no layer of the tuned blocks is called '" + core::printable(target) +
            "'; there are: " + last_components(layers) + ", or " + kEverything + " for all");
  }
  std::vector<LinearLayer> wanted;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (chosen[i]) wanted.push_back(layers[i]);
  }
  return wanted;
}

std::vector<Parameter> lora_parameters(const std::vector<LoraLayer>& layers) {
  std::vector<Parameter> parameters;
  for (const LoraLayer& branch : layers) {
    parameters.push_back({branch.layer.module + kA, {}, branch.a});
    parameters.push_back({branch.layer.module + kB, {}, branch.b});
  }
  return parameters;
}

bool is_lora_b(const std::string& parameter) { return core::ends_with(parameter, kB); }

void merge_lora(const ScriptModel& model, const std::vector<LoraLayer>& layers) {
  const at::NoGradGuard quiet;
  for (const LoraLayer& branch : layers) {
    at::Tensor weight = model.parameter(branch.layer.weight).tensor;
    const at::Tensor change = at::mm(branch.b, branch.a).mul_(branch.scale);
    weight.add_(branch.layer.transposed ? change.t() : change);
  }
}

std::vector<LinearLayer> find_linear_layers(
    jit::Graph& graph, const ScriptModel& model, const std::string& container) {
  std::vector<LinearLayer> layers;
  for_products(graph.block(), [&](jit::Node* node) {
    const auto use = weight_of(*node);
    const auto block = use ? block_of(use->path, container) : std::nullopt;
    const Parameter* parameter = block ? model.find_parameter(use->path) : nullptr;
    if (parameter == nullptr || parameter->tensor.dim() != 2) return;
    LinearLayer layer{module_path(use->path), parameter->name, *block, parameter->tensor.size(1),
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
      return candidate.layer.module == module_path(use->path) ||
             candidate.layer.weight == use->path;
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
            graph->insertConstant(layer->scale), node->input(3)});
    made->setType(node->output()->type());
    node->output()->replaceAllUsesWith(made);
    node->destroy();
  });
  return inputs;
}

}  // namespace salf::model
