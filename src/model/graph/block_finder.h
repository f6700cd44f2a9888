// Finds the blocks in the forward graph, and the values that carry the hidden state from one block
// to the next.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/graph/program.h"

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

}  // namespace salf::model
