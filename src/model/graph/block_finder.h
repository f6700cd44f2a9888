// Finds in the forward graph the blocks, with the values that carry the hidden state from one to
// the next, and the head, which is the last product with a weight [V, D] on the way to the logits.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/graph/program.h"
#include "model/script_model.h"

namespace salf::model {

// The forward graph with the blocks' calls in its top level, and the values between them.
struct BlockGraph {
  GraphPointer graph;
  std::string container;                   // "model.layers"
  std::vector<torch::jit::Node*> calls;    // L: the call of each block
  std::vector<torch::jit::Value*> hidden;  // L+1: h_0 … h_L
  torch::jit::Value* logits = nullptr;
};

// Looks through the numbered containers of the module, longest first, or only at `pattern` if it is
// not empty. `proof` is a small batch on which shapes are looked at. Throws Error(kBadModel) with a
// reason for each container that was tried.
BlockGraph find_blocks(const torch::jit::Module& module, const ForwardSignature& signature,
    const std::string& pattern, const tensor::Batch& proof, c10::Device device);

struct HeadGraph {
  torch::jit::Value* state = nullptr;  // [B, T, D]: what the head multiplies
  std::string weight;                  // parameter name, [V, D]
  std::string bias;                    // parameter name or ""
  bool plain = false;                  // the logits are that product
};

// Inlines what follows the last block in `blocks.graph`, so that the product stands in its top
// level. Throws Error(kBadModel).
HeadGraph find_head(BlockGraph& blocks, const ScriptModel& model);

// The name of the largest weight in which ids are looked up; "" if there is none.
std::string find_embedding(const torch::jit::Graph& prefix, const ScriptModel& model);

// Names of the parameters from which a gradient can reach a flat graph's outputs.
std::set<std::string> trainable_parameters_of(
    const torch::jit::Graph& graph, const ScriptModel& model);

// A slice input → output above the last block. It may look at the ids for their shape; the caller
// proves that nothing else of them matters. Throws Error(kBadModel) naming `what` if
// a block is needed again.
GraphPointer slice_above_blocks(const BlockGraph& blocks, torch::jit::Value* input,
    torch::jit::Value* output, const std::string& what);

// The operator that writes in place to one of the graph's outputs; "" if none does.
std::string written_in_place(const GraphPointer& graph);

}  // namespace salf::model
