// Finds the layers of a program that LoRA can adapt, and gives them their branches.
#pragma once

#include <string>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/graph/program.h"

namespace salf::model {

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
