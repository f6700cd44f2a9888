// The forward graph of a decoder with its parts named: blocks, final norm and head. All cuts of one
// model share it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "model/graph/block_finder.h"
#include "model/graph/graph_cut.h"

namespace salf::model {

// The whole model's logits on the proof batch. They are computed once, and again after a weight was
// written. Several threads may ask.
class WholeLogits {
 public:
  explicit WholeLogits(const ScriptModel& model) : model_(model) {}
  at::Tensor get() const;

 private:
  const ScriptModel& model_;
  mutable std::mutex mutex_;
  mutable std::int64_t version_ = 0;  // the sum of all parameters' counts of writes
  mutable at::Tensor logits_;
};

struct DecoderGraph {
  const ScriptModel* model = nullptr;
  std::shared_ptr<const WholeLogits> whole;
  ForwardSignature signature;
  BlockGraph blocks;
  HeadGraph head;
  BlockMap map;
  std::vector<LinearLayer> linear_layers;
  std::optional<Program> norm;

  std::vector<c10::IValue> arguments(const tensor::Batch& batch) const;
  Program program(const GraphPointer& graph, const std::string& name) const;
  // ids → h_0 … h_L and the state before the head.
  GraphPointer tap() const;
  // ids → h_cut.
  GraphPointer below(std::int64_t cut) const;
  // h_cut → `output`. Throws Error(kBadModel) if that needs a block below the cut.
  GraphPointer above(std::int64_t cut, torch::jit::Value* output) const;
  // The state before the head → logits.
  GraphPointer logits() const;
  // Runs a part above the blocks on any states [N, D].
  at::Tensor run_on_states(const Program& part, const at::Tensor& states) const;
  std::vector<std::string> block_parameters(std::int64_t index) const;
};

// Finds the parts as GraphCut's constructor says, and proves that the model is a decoder that can
// be cut and that the final norm looks at its states only. Throws Error(kBadModel).
DecoderGraph find_decoder(const ScriptModel& model, const std::string& pattern);

// The batch on which a model is proved: few fixed random ids, small enough for any vocabulary, with
// one padded row.
tensor::Batch proof_batch();

// Documents in rows that they share, the last one padded, and each in an own right-padded row.
struct PackedProof {
  tensor::Batch packed;
  tensor::Batch alone;
  std::vector<std::int64_t> lengths;  // tokens of each document
};

// Two rows of `length` tokens, at least 8, with five documents of seeded ids.
PackedProof packed_proof(std::int64_t length);

// The first row without its padding.
tensor::Batch first_row(const tensor::Batch& batch);

// The largest difference at the positions that `mask` [B, T] shows (undefined: all), as a share of
// the largest logit.
double relative_difference(
    const at::Tensor& logits, const at::Tensor& expected, const at::Tensor& mask = {});

// Other orders of summation may differ by this share of the largest logit, and nothing else may.
inline constexpr double kProofTolerance = 1e-4;

}  // namespace salf::model
