// A decoder that runs in parts: taps (every space as an output), prefix (ids → h_e), suffix
// (h_e → the state before the head), single blocks, final norm and head. All parts share the live
// parameters of the loaded module and leave the module as it is. See Note [Slicing] in program.cpp.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

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
  bool tied = false;        // embedding and head are one tensor
  bool plain_head = false;  // the logits are the head's product: no soft cap or scale follows
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

// States before the head [N, D] to logits [N, V], float32 at least.
using Head = std::function<at::Tensor(const at::Tensor&)>;

struct DecoderGraph;
struct CutSettings;
class CutPrograms;
class NarrowWeights;

// All parts of one model. A value: it never changes, and copies are cheap. Programs are made when a
// part is first asked for; what they compute depends on the construction alone, and several threads
// may ask. Runs under the caller's autograd mode.
class GraphCut {
 public:
  // Finds the blocks (`pattern`: "" or an attribute path of the blocks, such as "model.layers") and
  // the head, and proves on a small batch that the parts equal the whole model. Attention keeps its
  // masks. Throws Error(kBadModel) with the reason when the model cannot be cut. `model` must
  // outlive the cut and all cuts made of it.
  GraphCut(const ScriptModel& model, const std::string& pattern);

  // Each of these gives another cut that differs in one setting. It shares the weights and the
  // proof, and costs its own programs only.

  // All parts compute with these branches instead of those of this cut. The model stays as it is.
  GraphCut with_lora(std::vector<LoraLayer> layers) const;
  // Attention masks that are causal on right-padded batches of `longest` tokens, and on short ones,
  // are not computed: causal attention takes their place. The masks' values decide, so a sliding
  // window narrower than `longest` keeps its mask. Longer batches run with all masks. Proves the
  // parts on a batch; where they differ from the whole model, logs a warning and keeps all masks.
  // REQUIRES: longest ≥ 1; batches are padded on the right only.
  GraphCut for_rows(std::int64_t longest) const;
  // Hidden states and the factors of products are of this type, float32 or bfloat16: the weights by
  // copies (narrow_weights.h) that this cut and all cuts made of it share. Norms, softmax and sums
  // are float32. Proves the parts on a batch; throws Error(kBadModel) where they do not run so, or
  // differ from the whole model by more than rounding.
  GraphCut in_type(c10::ScalarType type) const;
  // The first `count` blocks run one after another in all parts, and `before` is called before each
  // (quantized_blocks.h). Prefixes and taps run all their blocks so. `unread` is called where
  // nobody is about to run them again, which remains possible.
  GraphCut by_block(std::int64_t count, std::function<void(std::int64_t)> before,
      std::function<void()> unread = {}) const;
  void prefix_is_unread() const {
    if (unread_) unread_();
  }

  // Prefixes, suffixes and blocks read a text piece by piece, `longest` tokens of it at most: a
  // batch is one row without padding, and in an ops::KeyValueCache::Pass it follows the tokens that
  // the cache has. Attention keeps its masks. Proves it on a short text; throws Error(kBadModel)
  // with the reason where the pieces differ from the whole.
  GraphCut in_pieces(std::int64_t longest) const;

  const BlockMap& map() const;
  const std::vector<LoraLayer>& lora() const;
  // How many blocks' attentions of the taps are causal without a mask.
  std::int64_t causal_attentions() const;

  // Of hidden states: bfloat16 after in_type(bfloat16), else as the model has them.
  c10::ScalarType type() const;
  // The copies of the weights; null in float32.
  const std::shared_ptr<NarrowWeights>& narrow_weights() const;

  // h_0 … h_L and the state before the head.
  Spaces tap(const tensor::Batch& batch) const;
  // h_eof: the embedding and blocks 0 … cut-1 (0-based). [B, T, D]
  at::Tensor prefix(const tensor::Batch& batch, std::int64_t cut) const;
  // Blocks cut … L-1 and the final norm on h_eof. What else the blocks need (masks, rotary tables)
  // is recomputed from the batch. [B, T, D] → [B, T, D]
  at::Tensor suffix(const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t cut) const;
  // Block `index` alone: h_index → h_index+1. [B, T, D] → [B, T, D]
  at::Tensor block(const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t index) const;
  // The final norm alone on any space's states: [N, D] → [N, D].
  at::Tensor final_norm(const at::Tensor& hidden) const;
  // Logits of any states before the head. The returned head is for many calls: it may hold the
  // weight in the order in which the products read it, and does not follow the weight's changes.
  Head head() const;
  at::Tensor head_weight() const;  // [V, D], the live parameter
  at::Tensor head_factor() const;  // the same in the type of the states
  at::Tensor head_bias() const;    // [V] or undefined

  // Compares suffix(prefix) and head at this cut with the whole model on a seeded batch; the
  // largest absolute difference, as a share of the largest logit. Throws Error(kBadModel) above the
  // tolerance.
  double prove(std::int64_t cut) const;
  // Compares documents that share rows with the same documents alone, on seeded ids: the largest
  // absolute difference, as a share of the largest logit. Throws Error(kBadModel) above the
  // tolerance: the documents see each other, or positions do not begin at each of them. Where
  // masks remain, the rows are of `longest` tokens, since masks may depend on the place in the row.
  double prove_segments(std::int64_t longest) const;

  // The blocks' layers that can have a branch of low rank, in the order in which the blocks use
  // them.
  const std::vector<LinearLayer>& linear_layers() const;
  // Names (ScriptModel::parameters) of the parameters of block `index`, and of those of the
  // final norm.
  std::vector<std::string> block_parameters(std::int64_t index) const;
  std::vector<std::string> final_parameters() const;

 private:
  explicit GraphCut(std::shared_ptr<const CutPrograms> programs);
  GraphCut with(CutSettings settings) const;
  const DecoderGraph& decoder() const;
  void check_depth(std::int64_t cut) const;
  void prove_pieces(const GraphCut& pieces) const;
  Spaces tap_by_block(const tensor::Batch& batch) const;
  at::Tensor normed(const at::Tensor& hidden) const;                      // final_norm of [B, T, D]
  at::Tensor logits(const tensor::Batch& batch, std::int64_t cut) const;  // [B, T, V]

  std::shared_ptr<const CutPrograms> programs_;     // shared by copies
  std::int64_t single_blocks_ = 0;                  // how many run one after another
  std::function<void(std::int64_t)> before_block_;  // empty: parts run as wholes
  std::function<void()> unread_;                    // or empty
};

}  // namespace salf::model
