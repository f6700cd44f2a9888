#include "model/graph/graph_cut.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "model/graph/decoder_graph.h"
#include "model/rewrites/causal_attention.h"
#include "model/rewrites/segments.h"
#include "model/weights/narrow_weights.h"
#include "ops/bf16_products.h"
#include "ops/key_value_cache.h"
#include "tensor/shapes.h"

namespace salf::model {
namespace {

constexpr std::int64_t kShortCheck = 7;
// What rounding to bfloat16 may change, as a share of the largest logit.
constexpr double kNarrowTolerance = 0.1;

}  // namespace

// In what the parts of two cuts of one model may differ.
struct CutSettings {
  std::vector<LoraLayer> lora;
  std::int64_t causal_rows = 0;   // the longest batch without causal masks, in tokens; 0: all stay
  std::int64_t longest_text = 0;  // read in pieces, in tokens; 0: batches are whole
  std::shared_ptr<NarrowWeights> weights;  // for products in bfloat16; null: float32
};

// The programs of the parts that hold attention, with their branches and without the masks that
// causal attention replaces. They are made when they are first asked for, by any thread. What they
// compute depends on the construction alone. References stay valid as long as this lives.
class CutPrograms {
 public:
  CutPrograms(std::shared_ptr<const DecoderGraph> decoder, CutSettings settings)
      : decoder_(std::move(decoder)), settings_(std::move(settings)) {}

  const std::shared_ptr<const DecoderGraph>& decoder() const { return decoder_; }
  const CutSettings& settings() const { return settings_; }

  // As GraphCut names them, each for batches of `length` tokens.
  const Program& tap(std::int64_t length) const { return made_tap(length).program; }

  const Program& prefix(std::int64_t cut, std::int64_t length) const {
    const auto graph = [&] { return decoder_->below(cut); };
    return find("prefix " + std::to_string(cut), length, Input::kIds, graph).program;
  }

  const Program& suffix(std::int64_t cut, std::int64_t length) const {
    const auto graph = [&] { return decoder_->above(cut, decoder_->head.state); };
    return find("suffix " + std::to_string(cut), length, Input::kState, graph).program;
  }

  const Program& block(std::int64_t index, std::int64_t length) const {
    const auto graph = [&] {
      return decoder_->above(index, decoder_->blocks.hidden[static_cast<std::size_t>(index) + 1]);
    };
    return find("block " + std::to_string(index), length, Input::kState, graph).program;
  }

  // Only where the head is not plain.
  const Program& head() const {
    return find("head", 0, Input::kState, [&] { return decoder_->logits(); }).program;
  }

  // Calls of attention in the tap that have a mask.
  std::int64_t masked_attentions(std::int64_t length) const {
    return model::masked_attentions(*tap(length).graph());
  }

  // Calls of attention in the tap that lost their masks.
  std::int64_t causal_attentions() const {
    return settings_.causal_rows == 0 ? 0 : made_tap(settings_.causal_rows).causal;
  }

 private:
  struct Made {
    Program program;
    std::int64_t causal = 0;  // attentions without their masks
  };
  enum class Input { kIds, kState };

  const Made& made_tap(std::int64_t length) const {
    return find("tap", length, Input::kIds, [&] { return decoder_->tap(); });
  }

  const Made& find(const std::string& name, std::int64_t length, Input input,
      const std::function<GraphPointer()>& graph) const {
    const bool causal = length > 0 && length <= settings_.causal_rows;
    const std::string key = causal ? name + " causal" : name;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = made_.find(key);
    if (found != made_.end()) return found->second;
    Made made{decoder_->program(graph(), name), 0};
    if (causal) made.causal = drop_masks(made.program, input);
    if (settings_.longest_text > 0) {
      made.program.take_pieces(settings_.longest_text);
    } else {
      made.program.take_segments();
      made.program.keep_lists(decoder_->model->device());
    }
    if (settings_.weights) made.program.use_bfloat16(settings_.weights, decoder_->head.weight);
    made.program.add_lora(settings_.lora);
    return made_.emplace(key, std::move(made)).first->second;
  }

  // Masks that cannot be looked at stay: the table of positions may be too short for the check.
  std::int64_t drop_masks(Program& part, Input input) const {
    try {
      return static_cast<std::int64_t>(
          part.use_causal_attention(decoder_->signature.mask, mask_checks(input)));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kMemory) throw;
      core::log_debug(std::string("attention keeps its masks: ") + error.what());
      return 0;
    }
  }

  // Two rows each, one of them padded: a short batch and one of the whole length.
  std::vector<MaskCheck> mask_checks(Input input) const {
    std::vector<MaskCheck> checks;
    for (const std::int64_t length :
        {std::min(settings_.causal_rows, kShortCheck), settings_.causal_rows}) {
      const std::int64_t padded = (length + 1) / 2;
      tensor::Batch batch;
      batch.ids = at::zeros({2, length}, at::kLong);
      batch.mask = at::ones({2, length}, at::kLong);
      batch.mask[1].narrow(0, padded, length - padded).zero_();
      checks.push_back({decoder_->arguments(batch), length, {length, padded}});
      if (input == Input::kIds) continue;
      checks.back().arguments.emplace_back(at::zeros(
          {2, length, decoder_->map.hidden}, at::TensorOptions(decoder_->model->device())));
    }
    return checks;
  }

  std::shared_ptr<const DecoderGraph> decoder_;  // shared by all cuts of the model
  CutSettings settings_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Made> made_;
};

GraphCut::GraphCut(const ScriptModel& model, const std::string& pattern)
    : GraphCut(std::make_shared<CutPrograms>(
          std::make_shared<DecoderGraph>(find_decoder(model, pattern)), CutSettings{})) {
  prove(map().blocks / 2);
}

GraphCut::GraphCut(std::shared_ptr<const CutPrograms> programs) : programs_(std::move(programs)) {}

GraphCut GraphCut::with(CutSettings settings) const {
  GraphCut cut = *this;
  cut.programs_ = std::make_shared<CutPrograms>(programs_->decoder(), std::move(settings));
  return cut;
}

GraphCut GraphCut::with_lora(std::vector<LoraLayer> layers) const {
  CutSettings settings = programs_->settings();
  settings.lora = std::move(layers);
  return with(std::move(settings));
}

GraphCut GraphCut::for_rows(std::int64_t longest) const {
  CutSettings settings = programs_->settings();
  settings.causal_rows = std::max(longest, proof_batch().length());
  CutSettings plain = settings;
  plain.lora.clear();
  try {
    GraphCut cut = with(std::move(plain));
    GraphCut(cut.programs_).prove(map().blocks / 2);
    if (lora().empty()) return cut;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kMemory) throw;
    core::log_warning(
        std::string("attention keeps its masks: as causal attention, ") + error.what());
    settings.causal_rows = 0;
  }
  return with(std::move(settings));
}

GraphCut GraphCut::in_type(c10::ScalarType type) const {
  CutSettings settings = programs_->settings();
  settings.weights = type == c10::kFloat
                         ? nullptr
                         : std::make_shared<NarrowWeights>(type, decoder().model->device());
  CutSettings plain = settings;
  plain.lora.clear();
  with(std::move(plain)).prove(map().blocks / 2);
  return with(std::move(settings));
}

GraphCut GraphCut::by_block(std::int64_t count, std::function<void(std::int64_t)> before,
    std::function<void()> unread) const {
  GraphCut cut = *this;
  cut.single_blocks_ = count;
  cut.before_block_ = std::move(before);
  cut.unread_ = std::move(unread);
  return cut;
}

GraphCut GraphCut::in_pieces(std::int64_t longest) const {
  CutSettings settings = programs_->settings();
  settings.causal_rows = 0;
  settings.longest_text = longest;
  GraphCut pieces = with(std::move(settings));
  prove_pieces(pieces);
  return pieces;
}

const DecoderGraph& GraphCut::decoder() const { return *programs_->decoder(); }
const BlockMap& GraphCut::map() const { return decoder().map; }
const std::vector<LoraLayer>& GraphCut::lora() const { return programs_->settings().lora; }
const std::shared_ptr<NarrowWeights>& GraphCut::narrow_weights() const {
  return programs_->settings().weights;
}
c10::ScalarType GraphCut::type() const {
  return narrow_weights() ? narrow_weights()->type() : head_weight().scalar_type();
}
std::int64_t GraphCut::causal_attentions() const { return programs_->causal_attentions(); }

void GraphCut::check_depth(std::int64_t cut) const {
  if (cut >= 0 && cut < map().blocks) return;
  throw Error(ErrorKind::kUsage, "the eof-layer should be 0 … " + std::to_string(map().blocks - 1) +
                                     ", got " + std::to_string(cut));
}

Spaces GraphCut::tap(const tensor::Batch& batch) const {
  if (before_block_) return tap_by_block(batch);
  auto values = programs_->tap(batch.length()).run(decoder().arguments(batch), batch.segments);
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
    before_block_(index);
    spaces.hidden.push_back(block(spaces.hidden.back(), batch, index));
  }
  spaces.final_state = normed(spaces.hidden.back());
  return spaces;
}

at::Tensor GraphCut::prefix(const tensor::Batch& batch, std::int64_t cut) const {
  check_depth(cut);
  const std::int64_t whole = before_block_ ? 0 : cut;
  at::Tensor hidden = programs_->prefix(whole, batch.length())
                          .run(decoder().arguments(batch), batch.segments)
                          .at(0)
                          .toTensor();
  for (std::int64_t index = whole; index < cut; ++index) {
    before_block_(index);
    hidden = block(hidden, batch, index);
  }
  return hidden;
}

at::Tensor GraphCut::suffix(
    const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t cut) const {
  check_depth(cut);
  tensor::check_shape(
      hidden, {batch.rows(), batch.length(), map().hidden}, "hidden state at the cut");
  at::Tensor state = hidden;
  for (; cut < single_blocks_; ++cut) {
    before_block_(cut);
    state = block(state, batch, cut);
  }
  if (cut == map().blocks) return normed(state);
  auto arguments = decoder().arguments(batch);
  arguments.emplace_back(std::move(state));
  return programs_->suffix(cut, batch.length())
      .run(std::move(arguments), batch.segments)
      .at(0)
      .toTensor();
}

at::Tensor GraphCut::block(
    const at::Tensor& hidden, const tensor::Batch& batch, std::int64_t index) const {
  check_depth(index);
  auto arguments = decoder().arguments(batch);
  arguments.emplace_back(hidden);
  return programs_->block(index, batch.length())
      .run(std::move(arguments), batch.segments)
      .at(0)
      .toTensor();
}

at::Tensor GraphCut::final_norm(const at::Tensor& hidden) const {
  tensor::check_shape(hidden, {tensor::kAny, map().hidden}, "states for the final norm");
  const at::Tensor normed = decoder().run_on_states(*decoder().norm, hidden);
  return narrow_weights() ? normed.to(type()) : normed;
}

at::Tensor GraphCut::normed(const at::Tensor& hidden) const {
  return final_norm(hidden.reshape({-1, map().hidden})).reshape(hidden.sizes());
}

Head GraphCut::head() const {
  if (!map().plain_head) {
    return [programs = programs_](const at::Tensor& state) {
      return programs->decoder()->run_on_states(programs->head(), state);
    };
  }
  if (type() != c10::kBFloat16) {
    return [weight = head_weight(), bias = head_bias()](
               const at::Tensor& state) { return at::linear(state, weight, bias); };
  }
  return [weight = ops::WideFactor(head_factor()), bias = head_bias()](const at::Tensor& state) {
    const at::Tensor logits = weight.times(state.to(at::kBFloat16));
    return bias.defined() ? logits + bias : logits;
  };
}

at::Tensor GraphCut::head_weight() const {
  return decoder().model->parameter(decoder().head.weight).tensor;
}

at::Tensor GraphCut::head_factor() const {
  return narrow_weights() ? narrow_weights()->of(head_weight()) : head_weight();
}

at::Tensor GraphCut::head_bias() const {
  return map().head_bias ? decoder().model->parameter(decoder().head.bias).tensor : at::Tensor();
}

at::Tensor GraphCut::logits(const tensor::Batch& batch, std::int64_t cut) const {
  const at::Tensor state = suffix(prefix(batch, cut), batch, cut);
  return head()(state.reshape({-1, map().hidden})).reshape({batch.rows(), batch.length(), -1});
}

double GraphCut::prove(std::int64_t cut) const {
  const at::NoGradGuard no_grad;
  const tensor::Batch proof = proof_batch();
  const double difference =
      relative_difference(logits(proof, cut), decoder().whole->get(), proof.mask);
  const double tolerance = narrow_weights() ? kNarrowTolerance : kProofTolerance;
  if (!(difference <= tolerance)) {
    refuse("cut after " + std::to_string(cut) +
           " blocks, the parts differ from the whole model by " + core::format_number(difference) +
           " of the logits' size (at most " + core::format_number(tolerance) + " is accepted)");
  }
  return difference;
}

double GraphCut::prove_segments(std::int64_t longest) const {
  const at::NoGradGuard no_grad;
  if (narrow_weights()) {
    // Rounding would hide what documents see of each other.
    CutSettings wide = programs_->settings();
    wide.weights = nullptr;
    return with(std::move(wide)).prove_segments(longest);
  }
  const std::int64_t shortest = proof_batch().length();
  const bool masked = programs_->masked_attentions(longest) > 0;
  const PackedProof proof = packed_proof(masked ? std::max(longest, shortest) : shortest);
  const std::int64_t cut = map().blocks / 2;
  const at::Tensor together = logits(proof.packed, cut).flatten(0, 1);
  const at::Tensor apart = logits(proof.alone, cut);
  double difference = 0.0;
  const std::int64_t* begin = proof.packed.segments.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < proof.alone.rows(); ++i) {
    const std::int64_t tokens = proof.lengths[static_cast<std::size_t>(i)];
    difference = std::max(difference,
        relative_difference(together.narrow(0, begin[i], tokens), apart[i].narrow(0, 0, tokens)));
  }
  if (!(difference <= kProofTolerance)) {
    refuse("documents that share a row change each other's logits by " +
           core::format_number(difference) + " of their size (at most " +
           core::format_number(kProofTolerance) +
           " is accepted): salf does not find all of the model's attention, or its positions do "
           "not begin at each document");
  }
  return difference;
}

// Pieces of several tokens and of one, at the begin and behind others.
void GraphCut::prove_pieces(const GraphCut& pieces) const {
  constexpr std::array<std::int64_t, 4> kPieces = {4, 1, 3, 1};
  const at::NoGradGuard no_grad;
  const tensor::Batch text = first_row(proof_batch());
  const std::int64_t longest = pieces.programs_->settings().longest_text;
  const at::Tensor whole = logits(text, 0);
  ops::KeyValueCache cache;
  std::vector<at::Tensor> parts;
  for (const std::int64_t tokens : kPieces) {
    if (cache.tokens() + tokens > longest) break;
    tensor::Batch piece;
    piece.ids = text.ids.narrow(1, cache.tokens(), tokens);
    const ops::KeyValueCache::Pass pass(cache, tokens);
    parts.push_back(pieces.logits(piece, 0));
  }
  if (parts.empty()) refuse("a text of " + std::to_string(longest) + " tokens is too short");
  const double difference =
      relative_difference(at::cat(parts, 1), whole.narrow(1, 0, cache.tokens()));
  const double tolerance = narrow_weights() ? kNarrowTolerance : kProofTolerance;
  if (difference <= tolerance && !cache.expired()) return;
  refuse("read piece by piece, the logits differ from the whole text's by " +
         core::format_number(difference) + " of their size (at most " +
         core::format_number(tolerance) + " is accepted)");
}

const std::vector<LinearLayer>& GraphCut::linear_layers() const { return decoder().linear_layers; }

std::vector<std::string> GraphCut::block_parameters(std::int64_t index) const {
  return decoder().block_parameters(index);
}

std::vector<std::string> GraphCut::final_parameters() const {
  std::set<std::string> used = trainable_parameters_of(*decoder().norm->graph(), *decoder().model);
  used.erase(map().head_parameter);
  return {used.begin(), used.end()};
}

}  // namespace salf::model
