// Branches of low rank beside layers, which tune a layer without changing its weight:
// W x + s · B A x (LoRA; Hu et al. 2021, arXiv 2106.09685). Initial values and scale are PEFT's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/graph/program.h"

namespace salf::model {

// Size and scale of the branches. The caller chooses the layers.
struct LoraScale {
  std::int64_t rank = 16;
  double alpha = 32.0;
  bool rank_stabilized = false;  // rsLoRA (Kalajdzievski 2023, arXiv 2312.03732)

  // s: alpha / rank, or alpha / √rank
  double factor() const;
};

// Random branches for these layers: A [R, I] uniform in ±1/√I, B [O, R] zero, so that nothing
// changes before the first step. Their tensors lie on the layers' device in float32. Throws
// Error(kUsage) naming the layer where the rank is larger than the matrix.
std::vector<LoraLayer> make_lora(const ScriptModel& model, const std::vector<LinearLayer>& layers,
    const LoraScale& scale, std::uint64_t seed);

// Those of `layers` that the targets name: "all-linear", or the last components of layers' paths
// ("q_proj", "mlp.up_proj"). Throws Error(kUsage), listing the names there are, where a target
// matches none.
std::vector<LinearLayer> choose_layers(
    const std::vector<LinearLayer>& layers, const std::vector<std::string>& targets);

// The branches' matrices as parameters to be trained and saved, MODULE.lora_A and MODULE.lora_B.
std::vector<Parameter> lora_parameters(const std::vector<LoraLayer>& layers);
bool is_lora_b(const std::string& parameter);

// W += s · B A, for models that are used or saved without branches. A cut with the branches would
// count them twice then.
void merge_lora(const ScriptModel& model, const std::vector<LoraLayer>& layers);

// The products (salf::linear, made by the rewrites) with a matrix that is a parameter of a block,
// each once, in the order of the graph. `container`: the blocks' attribute path.
std::vector<LinearLayer> find_linear_layers(
    torch::jit::Graph& graph, const ScriptModel& model, const std::string& container);

// Turns the products with these layers' weights into salf::lora_linear. The branches become further
// inputs of the graph; the result holds what they are to be given, in order. Layers that the graph
// does not have are passed over.
std::vector<at::Tensor> insert_branches(
    const GraphPointer& graph, const std::vector<LoraLayer>& layers);

}  // namespace salf::model
