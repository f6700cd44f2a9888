#include "model/graph/graph_cut.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "model/graph/block_finder.h"
#include "model/graph/head_finder.h"
#include "model/graph/program.h"
#include "model/graph/proof_batch.h"
#include "model/rewrites/causal_attention.h"
#include "model/weights/lora_branches.h"
#include "tensor/shapes.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::int64_t kShortProof = 7;
constexpr double kTolerance =
    1e-4;  // of the largest logit: other orders of summation, nothing else

bool belongs_to(const Parameter& parameter, const std::string& prefix) {
  const auto starts = [&prefix](const std::string& name) { return name.rfind(prefix, 0) == 0; };
  return starts(parameter.name) ||
         std::any_of(parameter.aliases.begin(), parameter.aliases.end(), starts);
}

// Largest difference at the positions that are no padding, as a share of the largest logit.
double largest_difference(
    const at::Tensor& logits, const at::Tensor& expected, const tensor::Batch& batch) {
  at::Tensor difference = (logits - expected).abs().amax(-1);
  if (batch.mask.defined()) difference = difference * batch.mask.to(difference.device());
  return difference.max().item<double>() / std::max(1.0, expected.abs().max().item<double>());
}

at::Tensor run_whole(const ScriptModel& model, const tensor::Batch& batch) {
  try {
    return model.forward(batch);
  } catch (const Error& error) {
    throw Error(error.kind(), "the model does not run on " + std::to_string(batch.rows()) +
                                  " row(s) of " + std::to_string(batch.length()) +
                                  " tokens; was it traced with a fixed batch size or length? " +
                                  error.what());
  }
}

// What a decoder has to be before it can be cut: any batch, the same logits each time, finite,
// causal.
void check_decoder(const ScriptModel& model, const tensor::Batch& proof) {
  const at::NoGradGuard no_grad;
  const at::Tensor whole = run_whole(model, proof);
  if (!whole.isfinite().all().item<bool>()) {
    throw Error(ErrorKind::kBadModel,
        "the model's logits are not finite: its weights hold NaN, infinite or far too "
        "large values");
  }
  if (!(largest_difference(model.forward(proof), whole, tensor::Batch{}) <= kTolerance)) {
    throw Error(ErrorKind::kBadModel,
        "the model gives other logits each time it runs: was it traced in training mode, "
        "with its dropout? Call eval() before torch.jit.trace");
  }
  const at::Tensor row = run_whole(model, first_row(proof));
  const double padding =
      largest_difference(whole.narrow(0, 0, 1).narrow(1, 0, row.size(1)), row, tensor::Batch{});
  if (!(padding <= kTolerance)) {
    throw Error(ErrorKind::kBadModel,
        "logits change by " + core::format_number(padding) +
            " of their size when rows are padded on the right: a decoder that salf can "
            "tune is causal, it never looks to the right");
  }
}

}  // namespace

struct GraphCut::Parts {
  const ScriptModel* model = nullptr;
  ForwardSignature signature;
  BlockGraph blocks;
  HeadGraph head;
  BlockMap map;
  std::optional<Program> tap;
  std::int64_t causal_length = 0;  // tokens up to which masks are looked at; 0: they stay
  std::int64_t causal_taps = 0;
  std::optional<Program> norm;
  std::optional<Program> head_program;  // only where the head is not plain
  mutable std::map<std::int64_t, Program> prefixes, suffixes, single_blocks;
  std::vector<LinearLayer> linear_layers;
  std::vector<LoraLayer> lora;
  std::function<void(std::int64_t)> before_block;  // empty: parts run as wholes

  Program program(const GraphPointer& graph, const std::string& name) const {
    return Program(graph, model->module(), model->device(), name, Operators::kOwn);
  }
  // A part with attention in it: `from_state` if it takes the state at a cut.
  Program attention_program(
      const GraphPointer& graph, const std::string& name, bool from_state) const {
    Program part = program(graph, name);
    drop_masks(part, from_state);
    part.add_lora(lora);
    return part;
  }
  // Masks that cannot be looked at stay: the table of positions may be too short for the check,
  // say.
  std::size_t drop_masks(Program& part, bool from_state) const {
    if (causal_length == 0) return 0;
    try {
      return part.use_causal_attention(signature.mask, mask_checks(from_state));
    } catch (const Error& error) {
      core::log_debug(std::string("attention keeps its masks: ") + error.what());
      return 0;
    }
  }
  std::vector<c10::IValue> arguments(const tensor::Batch& batch) const {
    return forward_arguments(signature, batch, model->device());
  }
  // Runs a part above the blocks on any states [N, D], as if each were a row of one token: it may
  // look at the ids' shape.
  at::Tensor run_on_states(const Program& part, const at::Tensor& states) const {
    tensor::Batch rows;
    rows.ids = at::zeros({states.size(0), 1}, at::kLong);
    auto values = arguments(rows);
    values.emplace_back(states.unsqueeze(1));
    return part.run(std::move(values)).at(0).toTensor().squeeze(1);
  }

  std::vector<MaskCheck> mask_checks(bool from_state) const;
  void set_causal_length(std::int64_t length);
  void rebuild();
  // Before a batch of this length is run.
  void cover(std::int64_t length) {
    if (causal_length > 0 && length > causal_length) set_causal_length(length);
  }

  void check_depth(std::int64_t cut) const {
    if (cut < 0 || cut >= map.blocks) {
      throw Error(ErrorKind::kUsage, "the eof-layer should be 0 … " +
                                         std::to_string(map.blocks - 1) + ", got " +
                                         std::to_string(cut));
    }
  }

  const Program& prefix(std::int64_t cut) const {
    const auto found = prefixes.find(cut);
    if (found != prefixes.end()) return found->second;
    const GraphPointer graph =
        slice(blocks.graph, {}, {blocks.hidden[static_cast<std::size_t>(cut)]});
    return prefixes.emplace(cut, attention_program(graph, "prefix", false)).first->second;
  }

  const Program& suffix(std::int64_t cut) const {
    const auto found = suffixes.find(cut);
    if (found != suffixes.end()) return found->second;
    return suffixes.emplace(cut, attention_program(above(cut, head.state), "suffix", true))
        .first->second;
  }

  const Program& single_block(std::int64_t index) const {
    const auto found = single_blocks.find(index);
    if (found != single_blocks.end()) return found->second;
    const GraphPointer graph = above(index, blocks.hidden[static_cast<std::size_t>(index) + 1]);
    return single_blocks.emplace(index, attention_program(graph, "block", true)).first->second;
  }

  // h_eof → `output`. Throws Error(kBadModel) if that needs a block below the cut.
  GraphPointer above(std::int64_t cut, jit::Value* output) const {
    jit::Value* input = blocks.hidden[static_cast<std::size_t>(cut)];
    const auto nodes = needed_nodes(blocks.graph, {input}, {output});
    for (std::int64_t i = 0; i < cut; ++i) {
      const jit::Node* call = blocks.calls[static_cast<std::size_t>(i)];
      if (std::find(nodes.begin(), nodes.end(), call) == nodes.end()) continue;
      throw Error(ErrorKind::kBadModel, "the model cannot be cut after " + std::to_string(cut) +
                                            " blocks: more than the hidden state of block " +
                                            std::to_string(i) + " is used above the cut");
    }
    return slice(blocks.graph, {input}, {output});
  }

  void build();
  void build_tap();
  void describe(const tensor::Batch& proof);
  void check_blocks_are_separate() const;
  void prove_norm(const tensor::Batch& proof) const;
};

void GraphCut::Parts::build() {
  head = find_head(blocks, *model);
  build_tap();
  if (const std::string written = written_in_place(tap->graph()); !written.empty()) {
    throw Error(ErrorKind::kBadModel, "a block changes its input in place (" + written +
                                          "), so the state at a cut would not stay what it was");
  }
  norm.emplace(
      program(slice_above_blocks(blocks, blocks.hidden.back(), head.state, "the final norm"),
          "final_norm"));
  if (!head.plain) {
    head_program.emplace(
        program(slice_above_blocks(blocks, head.state, blocks.logits, "the head"), "head"));
  }
}

void GraphCut::Parts::build_tap() {
  std::vector<jit::Value*> spaces = blocks.hidden;
  spaces.push_back(head.state);
  tap.emplace(program(slice(blocks.graph, {}, spaces), "tap"));
  causal_taps = static_cast<std::int64_t>(drop_masks(*tap, false));
  linear_layers = find_linear_layers(*tap->graph(), *model, blocks.container);
  tap->add_lora(lora);
}

// Two rows each, one of them padded: a short batch and one of the whole length.
std::vector<MaskCheck> GraphCut::Parts::mask_checks(bool from_state) const {
  std::vector<MaskCheck> trials;
  for (const std::int64_t length : {std::min(causal_length, kShortProof), causal_length}) {
    const std::int64_t padded = (length + 1) / 2;
    tensor::Batch batch;
    batch.ids = at::zeros({2, length}, at::kLong);
    batch.mask = at::ones({2, length}, at::kLong);
    batch.mask[1].narrow(0, padded, length - padded).zero_();
    trials.push_back({arguments(batch), length, {length, padded}});
    if (!from_state) continue;
    trials.back().arguments.emplace_back(
        at::zeros({2, length, map.hidden}, at::TensorOptions(model->device())));
  }
  return trials;
}

void GraphCut::Parts::set_causal_length(std::int64_t length) {
  causal_length = length;
  rebuild();
}

void GraphCut::Parts::rebuild() {
  prefixes.clear();
  suffixes.clear();
  single_blocks.clear();
  build_tap();
}

void GraphCut::Parts::describe(const tensor::Batch& proof) {
  const at::NoGradGuard no_grad;
  map.container = blocks.container;
  map.blocks = static_cast<std::int64_t>(blocks.calls.size());
  map.head_parameter = head.weight;
  map.head_bias = !head.bias.empty();
  map.plain_head = head.plain;
  const at::Tensor weight = model->parameter(head.weight).tensor;
  map.vocabulary = weight.size(0);
  map.hidden = weight.size(1);
  map.embedding_parameter = find_embedding(*prefix(0).graph(), *model);
  map.tied = !map.embedding_parameter.empty() &&
             model->parameter(map.embedding_parameter).tensor.is_same(weight);
  const auto spaces = tap->run(arguments(proof));
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    tensor::check_shape(spaces[l].toTensor(), {proof.rows(), proof.length(), map.hidden},
        "space " + std::to_string(l));
  }
}

void GraphCut::Parts::check_blocks_are_separate() const {
  for (const auto& parameter : model->parameters()) {
    std::int64_t owners = 0;
    for (std::int64_t i = 0; i < map.blocks; ++i) {
      if (belongs_to(parameter, map.container + "." + std::to_string(i) + ".")) ++owners;
    }
    if (owners > 1) {
      throw Error(ErrorKind::kBadModel, "blocks share the weight " + parameter.name +
                                            ", so one cannot be frozen while another is trained");
    }
  }
}

// The final norm alone must be that of the whole model: a proof that it looks at its states only.
void GraphCut::Parts::prove_norm(const tensor::Batch& proof) const {
  const at::NoGradGuard no_grad;
  const auto spaces = tap->run(arguments(proof));
  const at::Tensor expected = spaces.back().toTensor().reshape({-1, map.hidden});
  const at::Tensor last = spaces.at(spaces.size() - 2).toTensor().reshape({-1, map.hidden});
  const at::Tensor result = run_on_states(*norm, last);
  if (result.sizes() == expected.sizes() &&
      largest_difference(result, expected, tensor::Batch{}) <= kTolerance)
    return;
  throw Error(ErrorKind::kBadModel,
      "the final norm depends on the ids or the mask, so it cannot be used on other states");
}

GraphCut::GraphCut(const ScriptModel& model, const std::string& pattern)
    : parts_(std::make_unique<Parts>()) {
  parts_->model = &model;
  parts_->signature = forward_signature(model.module());
  const tensor::Batch proof = proof_batch();
  check_decoder(model, proof);
  parts_->blocks = find_blocks(model.module(), parts_->signature, pattern, proof, model.device());
  parts_->build();
  parts_->describe(proof);
  parts_->check_blocks_are_separate();
  parts_->prove_norm(proof);
  prove(parts_->map.blocks / 2);
}

GraphCut::~GraphCut() = default;
GraphCut::GraphCut(GraphCut&&) noexcept = default;

const BlockMap& GraphCut::map() const { return parts_->map; }

std::int64_t GraphCut::use_causal_attention(std::int64_t longest) {
  parts_->set_causal_length(std::max(longest, proof_batch().length()));
  if (parts_->causal_taps == 0) return 0;
  try {
    prove(parts_->map.blocks / 2);
  } catch (const Error& error) {
    core::log_warning(
        std::string("attention keeps its masks: as causal attention, ") + error.what());
    parts_->set_causal_length(0);
  }
  return parts_->causal_taps;
}

Spaces GraphCut::tap(const tensor::Batch& batch) const {
  parts_->cover(batch.length());
  if (parts_->before_block) return tap_by_block(batch);
  auto values = parts_->tap->run(parts_->arguments(batch));
  Spaces spaces;
  spaces.final_state = values.back().toTensor();
  values.pop_back();
  spaces.hidden.reserve(values.size());
  for (auto& value : values) spaces.hidden.push_back(std::move(value).toTensor());
  return spaces;
}

Spaces GraphCut::tap_by_block(const tensor::Batch& batch) const {
  Spaces spaces;
  spaces.hidden.push_back(prefix(batch, 0));
  for (std::int64_t index = 0; index < map().blocks; ++index) {
    parts_->before_block(index);
    spaces.hidden.push_back(block(spaces.hidden.back(), batch, index));
  }
  const at::Tensor& last = spaces.hidden.back();
  spaces.final_state = final_norm(last.reshape({-1, map().hidden})).reshape(last.sizes());
  return spaces;
}

at::Tensor GraphCut::prefix(const tensor::Batch& batch, std::int64_t cut) const {
  parts_->check_depth(cut);
  parts_->cover(batch.length());
  if (parts_->before_block && cut > 0) {
    at::Tensor hidden = prefix(batch, 0);
    for (std::int64_t index = 0; index < cut; ++index) {
      parts_->before_block(index);
      hidden = block(hidden, batch, index);
    }
    return hidden;
  }
  return parts_->prefix(cut).run(parts_->arguments(batch)).at(0).toTensor();
}

at::Tensor GraphCut::suffix(
    const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t cut) const {
  parts_->check_depth(cut);
  tensor::check_shape(
      hidden, {batch.rows(), batch.length(), parts_->map.hidden}, "hidden state at the cut");
  parts_->cover(batch.length());
  auto arguments = parts_->arguments(batch);
  arguments.emplace_back(hidden);
  return parts_->suffix(cut).run(std::move(arguments)).at(0).toTensor();
}

at::Tensor GraphCut::block(
    const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t index) const {
  parts_->check_depth(index);
  parts_->cover(batch.length());
  auto arguments = parts_->arguments(batch);
  arguments.emplace_back(hidden);
  return parts_->single_block(index).run(std::move(arguments)).at(0).toTensor();
}

at::Tensor GraphCut::final_norm(const at::Tensor& hidden) const {
  tensor::check_shape(hidden, {tensor::kAny, parts_->map.hidden}, "states for the final norm");
  return parts_->run_on_states(*parts_->norm, hidden);
}

at::Tensor GraphCut::head(const at::Tensor& state) const {
  tensor::check_shape(state, {tensor::kAny, parts_->map.hidden}, "states for the head");
  if (parts_->map.plain_head) return at::linear(state, head_weight(), head_bias());
  return parts_->run_on_states(*parts_->head_program, state);
}

at::Tensor GraphCut::head_weight() const {
  return parts_->model->parameter(parts_->head.weight).tensor;
}

at::Tensor GraphCut::head_bias() const {
  return parts_->head.bias.empty() ? at::Tensor()
                                   : parts_->model->parameter(parts_->head.bias).tensor;
}

double GraphCut::prove(std::int64_t cut) const {
  const at::NoGradGuard no_grad;
  const tensor::Batch proof = proof_batch();
  const at::Tensor state = suffix(prefix(proof, cut), proof, cut);
  const at::Tensor logits = head(state.reshape({-1, parts_->map.hidden}));
  const at::Tensor whole = parts_->model->forward(proof);
  const double difference =
      largest_difference(logits.reshape({proof.rows(), proof.length(), -1}), whole, proof);
  if (!(difference <= kTolerance)) {
    throw Error(ErrorKind::kBadModel,
        "cut after " + std::to_string(cut) + " blocks, the parts differ from the whole model by " +
            core::format_number(difference) + " of the logits' size (at most " +
            core::format_number(kTolerance) + " is accepted)");
  }
  return difference;
}

std::vector<LinearLayer> GraphCut::linear_layers() const { return parts_->linear_layers; }

void GraphCut::use_lora(std::vector<LoraLayer> layers) {
  parts_->lora = std::move(layers);
  parts_->rebuild();
}

void GraphCut::run_by_block(std::function<void(std::int64_t)> before) {
  parts_->before_block = std::move(before);
}

const std::vector<LoraLayer>& GraphCut::lora() const { return parts_->lora; }

std::vector<std::string> GraphCut::block_parameters(std::int64_t index) const {
  std::vector<std::string> names;
  for (const auto& parameter : parts_->model->parameters()) {
    if (belongs_to(parameter, parts_->map.container + "." + std::to_string(index) + ".")) {
      names.push_back(parameter.name);
    }
  }
  return names;
}

std::vector<std::string> GraphCut::final_parameters() const {
  std::set<std::string> used = trainable_parameters_of(*parts_->norm->graph(), *parts_->model);
  used.erase(parts_->head.weight);
  return {used.begin(), used.end()};
}

}  // namespace salf::model
