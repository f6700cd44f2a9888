#include "model/graph/decoder_graph.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"
#include "model/rewrites/narrow_products.h"
#include "model/weights/lora.h"
#include "tensor/shapes.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::int64_t kRows = 2;
constexpr std::int64_t kLength = 13;
constexpr std::int64_t kShortRow = 9;  // tokens of the padded row
constexpr std::uint64_t kIds = 32;     // every vocabulary has that many

bool belongs_to(const Parameter& parameter, const std::string& prefix) {
  const auto starts = [&prefix](const std::string& name) { return name.rfind(prefix, 0) == 0; };
  return starts(parameter.name) ||
         std::any_of(parameter.aliases.begin(), parameter.aliases.end(), starts);
}

std::string block_prefix(const BlockMap& map, std::int64_t index) {
  return map.container + "." + std::to_string(index) + ".";
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

// A decoder that can be cut takes any batch, and its logits are finite, causal and the same each
// time.
void check_decoder(const ScriptModel& model, const tensor::Batch& proof, const at::Tensor& whole) {
  if (!whole.isfinite().all().item<bool>()) {
    refuse(
        "the model's logits are not finite: its weights hold NaN, infinite or far too "
        "large values");
  }
  const at::Tensor row = run_whole(model, first_row(proof));
  const double padding = relative_difference(whole.narrow(0, 0, 1).narrow(1, 0, row.size(1)), row);
  if (padding <= kProofTolerance) return;
  if (!(relative_difference(model.forward(proof), whole) <= kProofTolerance)) {
    refuse(
        "the model gives other logits each time it runs: was it traced in training mode, "
        "with its dropout? Call eval() before torch.jit.trace");
  }
  refuse("logits change by " + core::format_number(padding) +
         " of their size when rows are padded on the right: a decoder that salf can "
         "tune is causal, it never looks to the right");
}

tensor::Batch padding(std::int64_t rows, std::int64_t length) {
  tensor::Batch batch;
  batch.ids = at::zeros({rows, length}, at::kLong);
  batch.mask = at::zeros({rows, length}, at::kLong);
  return batch;
}

BlockMap describe(const DecoderGraph& decoder) {
  const ScriptModel& model = *decoder.model;
  const at::Tensor weight = model.parameter(decoder.head.weight).tensor;
  BlockMap map;
  map.container = decoder.blocks.container;
  map.blocks = static_cast<std::int64_t>(decoder.blocks.calls.size());
  map.hidden = weight.size(1);
  map.vocabulary = weight.size(0);
  map.head_parameter = decoder.head.weight;
  map.head_bias = !decoder.head.bias.empty();
  map.plain_head = decoder.head.plain;
  map.embedding_parameter =
      find_embedding(*decoder.program(decoder.below(0), "embedding").graph(), model);
  map.tied = !map.embedding_parameter.empty() &&
             model.parameter(map.embedding_parameter).tensor.is_same(weight);
  return map;
}

void check_blocks_are_separate(const DecoderGraph& decoder) {
  for (const auto& parameter : decoder.model->parameters()) {
    std::int64_t owners = 0;
    for (std::int64_t i = 0; i < decoder.map.blocks; ++i)
      if (belongs_to(parameter, block_prefix(decoder.map, i))) ++owners;
    if (owners > 1) {
      refuse("blocks share the weight " + parameter.name +
             ", so one cannot be frozen while another is trained");
    }
  }
}

void check_spaces(const DecoderGraph& decoder, const Program& tap, const tensor::Batch& proof) {
  const std::int64_t width = decoder.map.hidden;
  const auto spaces = tap.run(decoder.arguments(proof));
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    tensor::check_shape(
        spaces[l].toTensor(), {proof.rows(), proof.length(), width}, "space " + std::to_string(l));
  }
  const at::Tensor expected = spaces.back().toTensor().reshape({-1, width});
  const at::Tensor last = spaces.at(spaces.size() - 2).toTensor().reshape({-1, width});
  const at::Tensor result = decoder.run_on_states(*decoder.norm, last);
  if (result.sizes() == expected.sizes() &&
      relative_difference(result, expected) <= kProofTolerance)
    return;
  refuse("the final norm depends on the ids or the mask, so it cannot be used on other states");
}

}  // namespace

at::Tensor WholeLogits::get() const {
  std::int64_t version = 0;
  for (const Parameter& parameter : model_.parameters()) version += parameter.tensor._version();
  const std::lock_guard lock(mutex_);
  if (!logits_.defined() || version_ != version) {
    const at::NoGradGuard no_grad;
    logits_ = run_whole(model_, proof_batch());
    version_ = version;
  }
  return logits_;
}

std::vector<c10::IValue> DecoderGraph::arguments(const tensor::Batch& batch) const {
  return forward_arguments(signature, batch, model->device());
}

Program DecoderGraph::program(const GraphPointer& graph, const std::string& name) const {
  return Program(graph, model->module(), model->device(), name, Operators::kOwn);
}

GraphPointer DecoderGraph::tap() const {
  std::vector<jit::Value*> spaces = blocks.hidden;
  spaces.push_back(head.state);
  return slice(blocks.graph, {}, spaces);
}

GraphPointer DecoderGraph::below(std::int64_t cut) const {
  return slice(blocks.graph, {}, {blocks.hidden[static_cast<std::size_t>(cut)]});
}

GraphPointer DecoderGraph::logits() const {
  return slice_above_blocks(blocks, head.state, blocks.logits, "the head");
}

GraphPointer DecoderGraph::above(std::int64_t cut, jit::Value* output) const {
  const auto count = static_cast<std::size_t>(cut);
  jit::Value* input = blocks.hidden[count];
  const auto nodes = needed_nodes(blocks.graph, {input}, {output});
  for (std::size_t i = 0; i < count; ++i) {
    if (std::find(nodes.begin(), nodes.end(), blocks.calls[i]) == nodes.end()) continue;
    refuse("the model cannot be cut after " + std::to_string(cut) +
           " blocks: more than the hidden state of block " + std::to_string(i) +
           " is used above the cut");
  }
  return slice(blocks.graph, {input}, {output});
}

// Each state is a row of one token, since the part may look at the ids' shape.
at::Tensor DecoderGraph::run_on_states(const Program& part, const at::Tensor& states) const {
  tensor::Batch rows;
  rows.ids = at::zeros({states.size(0), 1}, at::TensorOptions(at::kLong).device(model->device()));
  auto values = arguments(rows);
  values.emplace_back(states.unsqueeze(1));
  return part.run(std::move(values)).at(0).toTensor().squeeze(1);
}

std::vector<std::string> DecoderGraph::block_parameters(std::int64_t index) const {
  std::vector<std::string> names;
  for (const auto& parameter : model->parameters())
    if (belongs_to(parameter, block_prefix(map, index))) names.push_back(parameter.name);
  return names;
}

DecoderGraph find_decoder(const ScriptModel& model, const std::string& pattern) {
  const at::NoGradGuard no_grad;
  const tensor::Batch proof = proof_batch();
  DecoderGraph decoder;
  decoder.model = &model;
  decoder.whole = std::make_shared<WholeLogits>(model);
  check_decoder(model, proof, decoder.whole->get());
  decoder.signature = forward_signature(model.module());
  decoder.blocks = find_blocks(model.module(), decoder.signature, pattern, proof, model.device());
  decoder.head = find_head(decoder.blocks, model);
  const bool with_norm = decoder.head.state != decoder.blocks.hidden.back();
  for (jit::Value*& state : decoder.blocks.hidden) state = mark_state(state);
  decoder.head.state = with_norm ? mark_state(decoder.head.state) : decoder.blocks.hidden.back();
  const Program tap = decoder.program(decoder.tap(), "tap");
  if (const std::string written = written_in_place(tap.graph()); !written.empty()) {
    refuse("a block changes its input in place (" + written +
           "), so the state at a cut would not stay what it was");
  }
  const BlockGraph& blocks = decoder.blocks;
  const HeadGraph& head = decoder.head;
  decoder.norm.emplace(decoder.program(
      slice_above_blocks(blocks, blocks.hidden.back(), head.state, "the final norm"),
      "final_norm"));
  decoder.map = describe(decoder);
  decoder.linear_layers = find_linear_layers(*tap.graph(), model, blocks.container);
  check_blocks_are_separate(decoder);
  check_spaces(decoder, tap, proof);
  return decoder;
}

tensor::Batch proof_batch() {
  core::Random random(1, "proof batch");
  tensor::Batch batch;
  batch.ids = at::zeros({kRows, kLength}, at::kLong);
  batch.mask = at::zeros({kRows, kLength}, at::kLong);
  batch.labels = at::full({kRows, kLength}, tensor::kNoLabel, at::kLong);
  auto ids = batch.ids.accessor<std::int64_t, 2>();
  auto mask = batch.mask.accessor<std::int64_t, 2>();
  for (std::int64_t b = 0; b < kRows; ++b) {
    const std::int64_t length = b == 0 ? kShortRow : kLength;
    for (std::int64_t t = 0; t < length; ++t) {
      ids[b][t] = static_cast<std::int64_t>(random.below(kIds));
      mask[b][t] = 1;
    }
    batch.real_tokens += length;
  }
  return batch;
}

PackedProof packed_proof(std::int64_t length) {
  const std::int64_t third = length / 3, half = length / 2;
  PackedProof proof;
  proof.lengths = {third, 1, length - third - 1, half, length - half - 2};  // 2 tokens of padding
  const std::int64_t longest = *std::max_element(proof.lengths.begin(), proof.lengths.end());
  const auto documents = static_cast<std::int64_t>(proof.lengths.size());
  core::Random random(1, "packed proof");
  proof.packed = padding(2, length);
  proof.alone = padding(documents, longest);
  proof.packed.segments = at::zeros({documents + 1}, at::kLong);
  auto* begin = proof.packed.segments.mutable_data_ptr<std::int64_t>();
  std::int64_t place = 0;
  for (std::int64_t i = 0; i < documents; ++i) {
    const std::int64_t tokens = proof.lengths[static_cast<std::size_t>(i)];
    const at::Tensor ids = at::empty({tokens}, at::kLong);
    auto* id = ids.mutable_data_ptr<std::int64_t>();
    for (std::int64_t t = 0; t < tokens; ++t) id[t] = static_cast<std::int64_t>(random.below(kIds));
    proof.packed.ids.flatten().narrow(0, place, tokens).copy_(ids);
    proof.packed.mask.flatten().narrow(0, place, tokens).fill_(1);
    proof.alone.ids[i].narrow(0, 0, tokens).copy_(ids);
    proof.alone.mask[i].narrow(0, 0, tokens).fill_(1);
    begin[i] = place;
    place += tokens;
  }
  begin[documents] = 2 * length;
  return proof;
}

tensor::Batch first_row(const tensor::Batch& batch) {
  tensor::Batch row;
  row.ids = batch.ids.narrow(0, 0, 1).narrow(1, 0, kShortRow).contiguous();
  row.labels = batch.labels.narrow(0, 0, 1).narrow(1, 0, kShortRow).contiguous();
  row.real_tokens = kShortRow;
  return row;
}

double relative_difference(
    const at::Tensor& logits, const at::Tensor& expected, const at::Tensor& mask) {
  at::Tensor difference = (logits - expected).abs().amax(-1);
  if (mask.defined()) difference = difference * mask.to(difference.device());
  return difference.max().item<double>() / std::max(1.0, expected.abs().max().item<double>());
}

}  // namespace salf::model
