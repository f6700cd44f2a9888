// Copies, inlines and slices TorchScript graphs, and runs them without the profiling executor.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/batch.h"

namespace torch::jit {
struct Code;
struct Graph;
struct Module;
struct Node;
struct Value;
}  // namespace torch::jit

namespace salf::model {

using GraphPointer = std::shared_ptr<torch::jit::Graph>;

// Which argument of forward takes what: 0 is self, 1 the ids.
struct ForwardSignature {
  std::optional<std::size_t> mask;
  bool mask_optional = false;
  std::vector<c10::IValue> defaults;  // one per argument after self; None where the batch fills it
};

// Throws Error(kBadModel).
[[noreturn]] void refuse(const std::string& problem);

// Throws Error(kBadModel) when forward asks for more than ids and a mask.
ForwardSignature forward_signature(const torch::jit::Module& module);

// Arguments after self, on `device`. A batch without padding gives a mask of ones where one is
// required.
std::vector<c10::IValue> forward_arguments(
    const ForwardSignature& signature, const tensor::Batch& batch, c10::Device device);

// The logits [B, T, V] among forward's results: a tensor, the first fitting member of a tuple, or a
// dictionary's "logits". Throws Error(kBadModel) when no result has that form.
at::Tensor pick_logits(const c10::IValue& result, const tensor::Batch& batch);

// The value in the graph that pick_logits would pick, as far as the graph alone tells.
// Throws Error(kBadModel).
torch::jit::Value* logits_value(torch::jit::Graph& graph);

// A copy of forward's graph, calls not inlined.
GraphPointer copy_forward(const torch::jit::Module& module);

// "model.layers.3" if the value is a chain of GetAttr from self ("" for self); nothing otherwise.
std::optional<std::string> attribute_path(const torch::jit::Value* value);

// Inlines the calls (methods and functions) for which `wanted` is true, and those that appear by
// it.
void inline_calls(
    torch::jit::Graph& graph, const std::function<bool(const torch::jit::Node&)>& wanted);

// All nodes that `outputs` need, back to `inputs` and to the graph's own inputs, in the order of
// the source. See Note [Slicing].
std::vector<torch::jit::Node*> needed_nodes(const GraphPointer& source,
    const std::vector<torch::jit::Value*>& inputs, const std::vector<torch::jit::Value*>& outputs);

// A new graph (self, forward's arguments, inputs…) → outputs…, made of the needed nodes.
GraphPointer slice(const GraphPointer& source, const std::vector<torch::jit::Value*>& inputs,
    const std::vector<torch::jit::Value*>& outputs);

struct LoraLayer;
struct MaskCheck;
class NarrowWeights;

// As the model's author wrote it, or with salf's operators (rewrites.h).
enum class Operators { kOriginal, kOwn };

// A graph, fully inlined, with the module's live parameters. Runs under the caller's autograd mode.
class Program {
 public:
  Program(const GraphPointer& graph, const torch::jit::Module& module, c10::Device device,
      const std::string& name, Operators operators);
  ~Program();
  Program(Program&&) noexcept;

  // arguments: forward's, then the slice's inputs. `segments` as in tensor::Batch, defined only
  // where the program takes segments. Throws Error(kBadModel) with the operator's message.
  std::vector<c10::IValue> run(
      std::vector<c10::IValue> arguments, const at::Tensor& segments = {}) const;

  // See causal_attention.h: `mask_argument` is forward's. Returns the number of attentions that
  // became causal.
  std::size_t use_causal_attention(
      std::optional<std::size_t> mask_argument, const std::vector<MaskCheck>& trials);

  // See segments.h. REQUIRES: nothing is sliced off the graph afterwards.
  void take_segments();

  // Makes it read texts piece by piece (length_values.h, position_tables.h), `longest` tokens of a
  // text at most. Takes the place of take_segments. REQUIRES: as add_lora
  void take_pieces(std::int64_t longest);

  // Tensors that the graph makes of lists of numbers in the module (a rotary embedding's
  // frequencies) are made now and kept on the device: each run would send them anew, and wait. No
  // effect on the CPU. REQUIRES: as add_lora
  void keep_lists(c10::Device device);

  // Gives the layers with these weights their branches (lora.h). REQUIRES: nothing is
  // sliced off the graph afterwards, since it would lack them.
  void add_lora(const std::vector<LoraLayer>& layers);

  // Makes it compute in bfloat16 (narrow_products.h). REQUIRES: as add_lora
  void use_bfloat16(std::shared_ptr<NarrowWeights> weights, const std::string& wide_weight);

  const GraphPointer& graph() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::model
