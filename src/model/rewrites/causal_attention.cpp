#include "model/rewrites/causal_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>

#include "model/rewrites/known_values.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr double kHiddenScore =
    -1e4;                         // added to a score, leaves nothing of its exponential in float32
constexpr std::size_t kMask = 3;  // places in the operator's schema
constexpr std::size_t kIsCausal = 5;

// A mask, and the calls that use it.
struct MaskUse {
  jit::Value* mask = nullptr;
  std::vector<jit::Node*> calls;
};

std::vector<MaskUse> masks_of(jit::Graph& graph) {
  std::vector<MaskUse> masks;
  for (jit::Node* node : graph.nodes()) {
    if (!is_kind(node, "salf::attention")) continue;
    jit::Value* mask = node->input(kMask);
    if (mask->mustBeNone() || !is_bool(node->input(kIsCausal), false)) continue;
    const auto found = std::find_if(
        masks.begin(), masks.end(), [mask](const MaskUse& use) { return use.mask == mask; });
    MaskUse& use = found != masks.end() ? *found : masks.emplace_back(MaskUse{mask, {}});
    use.calls.push_back(node);
  }
  return masks;
}

bool depends_on_shapes_only(
    const jit::Value* mask, std::optional<std::size_t> mask_argument, const KnownValues& known) {
  const Sources sources = known.sources(mask);
  return sources.fixed && std::all_of(sources.arguments.begin(), sources.arguments.end(),
                              [&](std::size_t argument) { return argument == mask_argument; });
}

// `mask` [.., T, T] is that of one row. True if each of the first `tokens` positions sees only the
// positions up to itself.
bool is_causal(const at::Tensor& mask, const at::Tensor& past, std::int64_t tokens) {
  const at::Tensor real = mask.narrow(-2, 0, tokens);
  const at::Tensor seen = past.narrow(0, 0, tokens);  // [tokens, T] bool
  const at::Tensor right = mask.scalar_type() == at::kBool
                               ? real.eq(seen)
                               : at::where(seen, real.eq(0), real.le(kHiddenScore));
  return right.all().item<bool>();
}

bool is_causal_on(const at::Tensor& mask, const MaskCheck& proof) {
  const auto rows = static_cast<std::int64_t>(proof.rows.size());
  const bool known_type = mask.scalar_type() == at::kBool || mask.is_floating_point();
  if (!known_type || mask.dim() < 2 || mask.dim() > 4) return false;
  if (mask.size(-1) != proof.length || mask.size(-2) != proof.length) return false;
  const bool batched = mask.dim() == 4 && mask.size(0) != 1;
  if (batched && mask.size(0) != rows) return false;
  const at::Tensor past =
      at::ones({proof.length, proof.length}, mask.options().dtype(at::kBool)).tril();  // [T, T]
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t tokens = proof.rows[static_cast<std::size_t>(row)];
    if (!is_causal(batched ? mask.select(0, row) : mask, past, tokens)) return false;
  }
  return true;
}

void forget_mask(jit::Node* call) {
  const jit::WithInsertPoint here(call);
  call->replaceInput(kMask, call->owningGraph()->insertConstant(c10::IValue()));
  call->replaceInput(kIsCausal, call->owningGraph()->insertConstant(true));
}

}  // namespace

std::size_t drop_causal_masks(const GraphPointer& graph, const jit::Module& module,
    std::optional<std::size_t> mask_argument, const std::vector<MaskCheck>& trials) {
  std::vector<MaskUse> masks = masks_of(*graph);
  const KnownValues known(*graph, module);
  const auto is_open = [&](const MaskUse& use) {
    return !depends_on_shapes_only(use.mask, mask_argument, known);
  };
  masks.erase(std::remove_if(masks.begin(), masks.end(), is_open), masks.end());
  if (masks.empty()) return 0;

  const at::NoGradGuard no_grad;
  std::vector<jit::Value*> values;
  values.reserve(masks.size());
  for (const MaskUse& use : masks) values.push_back(use.mask);
  const Program program(
      slice(graph, {}, values), module, c10::Device(c10::kCPU), "masks", Operators::kOriginal);
  std::vector<bool> causal(masks.size(), true);
  for (const MaskCheck& proof : trials) {
    const auto results = program.run(proof.arguments);
    for (std::size_t i = 0; i < masks.size(); ++i)
      causal[i] = causal[i] && is_causal_on(results[i].toTensor(), proof);
  }

  std::size_t dropped = 0;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (!causal[i]) continue;
    std::for_each(masks[i].calls.begin(), masks[i].calls.end(), forget_mask);
    dropped += masks[i].calls.size();
  }
  if (dropped > 0) jit::EliminateDeadCode(graph->block());
  return dropped;
}

}  // namespace salf::model
