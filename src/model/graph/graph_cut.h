// How is a loaded decoder run in parts? Its forward graph is copied, flattened until the blocks'
// calls stand in the top-level graph, and sliced: taps (every space as an output), prefix (ids →
// h_e), suffix (h_e → the state before the head), final norm, head. The loaded module is never
// altered, and all parts share its live parameters. See Note [Slicing] in src/model/graph_cut.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/script_model.h"
#include "tensor/batch.h"

namespace salf::model {

// Where the parts of the decoder are.
struct BlockMap {
  std::string container;            // attribute path of the blocks: "model.layers"
  std::int64_t blocks = 0;          // L
  std::int64_t hidden = 0;          // D
  std::int64_t vocabulary = 0;      // V: columns of the logits
  std::string embedding_parameter;  // full parameter name, "" if there is none of shape [V, D]
  std::string head_parameter;       // full parameter name of the head's weight [V, D]
  bool head_bias = false;
  bool tied = false;  // embedding and head are one tensor
  bool plain_head =
      false;  // logits are the head's product as it is (no soft cap or scale after it)
};

// A layer of a block that multiplies by one weight matrix.
struct LinearLayer {
  std::string module;  // attribute path: "model.layers.3.self_attn.q_proj"
  std::string weight;  // parameter name
  std::int64_t block = 0;
  std::int64_t in = 0, out = 0;
  bool transposed = false;  // the weight is [in, out] instead of [out, in], as GPT-2 has it
};

// A branch of low rank beside such a layer (lora.h).
struct LoraLayer {
  LinearLayer layer;
  at::Tensor a;        // [R, in] f32
  at::Tensor b;        // [out, R] f32
  double scale = 1.0;  // s
};

// Every space of one batch.
struct Spaces {
  std::vector<at::Tensor> hidden;  // L+1 tensors [B, T, D]: h_0 … h_L
  at::Tensor final_state;          // [B, T, D]: N(h_L), what the head multiplies
};

// All parts of one model. Runs under the caller's autograd mode.
class GraphCut {
 public:
  // Finds the blocks (`pattern`: "" or an attribute path of the blocks, such as "model.layers") and
  // the head, builds the taps and proves them on a small batch: the head on the tapped state equals
  // the whole model. Throws Error(kBadModel) with the reason when the model cannot be cut. `model`
  // must outlive it.
  GraphCut(const ScriptModel& model, const std::string& pattern);
  ~GraphCut();
  GraphCut(GraphCut&&) noexcept;

  const BlockMap& map() const;

  // From now on, attention masks that are causal on right-padded batches of up to `longest` tokens
  // (and on short ones) are not computed: causal attention takes their place. Read off the masks
  // themselves, so that a sliding window narrower than `longest` keeps its mask; proved on a batch,
  // and taken back with a warning where the parts differ from the whole model. A longer batch, when
  // one comes, is looked at again. Returns how many blocks' attentions of the taps became causal.
  // REQUIRES: longest ≥ 1; batches are padded on the right only.
  std::int64_t use_causal_attention(std::int64_t longest);

  // h_0 … h_L and the state before the head.
  Spaces tap(const tensor::Batch& batch) const;
  // h_eof: the embedding and blocks 0 … cut-1 (0-based). [B, T, D]
  at::Tensor prefix(const tensor::Batch& batch, std::int64_t cut) const;
  // Blocks cut … L-1 and the final norm on h_eof. What else the blocks need (masks, rotary tables)
  // is recomputed from the batch. [B, T, D] → [B, T, D]
  at::Tensor suffix(const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t cut) const;
  // Block `index` alone: h_index → h_index+1. Programs of blocks are made when they are first asked
  // for. [B, T, D] → [B, T, D]
  at::Tensor block(const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t index) const;
  // The final norm alone on any space's states: [N, D] → [N, D].
  at::Tensor final_norm(const at::Tensor& hidden) const;
  // Logits of any states before the head: [N, D] → [N, V].
  at::Tensor head(const at::Tensor& state) const;
  at::Tensor head_weight() const;  // [V, D], the live parameter
  at::Tensor head_bias() const;    // [V] or undefined

  // Compares suffix(prefix) and head at this cut with the whole model on a seeded batch; the
  // largest absolute difference of the logits. Throws Error(kBadModel) above the tolerance.
  double prove(std::int64_t cut) const;

  // The blocks' layers that can have a branch of low rank, in the order in which the blocks use
  // them.
  std::vector<LinearLayer> linear_layers() const;
  // From now on all parts compute with these branches; none for an empty list. The model itself is
  // not changed.
  void use_lora(std::vector<LoraLayer> layers);
  const std::vector<LoraLayer>& lora() const;

  // From now on, prefixes and taps run block after block, and `before` is called before each
  // (quantized_blocks.h); an empty function: as wholes again.
  void run_by_block(std::function<void(std::int64_t)> before);

  // Names (ScriptModel::parameters) of the parameters of block `index`, and of those of the
  // final norm.
  std::vector<std::string> block_parameters(std::int64_t index) const;
  std::vector<std::string> final_parameters() const;

 private:
  Spaces tap_by_block(const tensor::Batch& batch) const;

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::model
