#include "model/graph/cut_programs.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "model/rewrites/causal_attention.h"

namespace salf::model {
namespace {

constexpr std::int64_t kShortCheck = 7;

}  // namespace

CutPrograms::CutPrograms(std::shared_ptr<const DecoderGraph> decoder, std::vector<LoraLayer> lora,
    std::int64_t causal_rows)
    : decoder_(std::move(decoder)), lora_(std::move(lora)), causal_rows_(causal_rows) {}

const Program& CutPrograms::tap(std::int64_t length) const {
  return find("tap", length, Input::kIds, [&] { return decoder_->tap(); }).program;
}

const Program& CutPrograms::prefix(std::int64_t cut, std::int64_t length) const {
  const auto graph = [&] { return decoder_->below(cut); };
  return find("prefix " + std::to_string(cut), length, Input::kIds, graph).program;
}

const Program& CutPrograms::suffix(std::int64_t cut, std::int64_t length) const {
  const auto graph = [&] { return decoder_->above(cut, decoder_->head.state); };
  return find("suffix " + std::to_string(cut), length, Input::kState, graph).program;
}

const Program& CutPrograms::block(std::int64_t index, std::int64_t length) const {
  const auto graph = [&] {
    return decoder_->above(index, decoder_->blocks.hidden[static_cast<std::size_t>(index) + 1]);
  };
  return find("block " + std::to_string(index), length, Input::kState, graph).program;
}

std::int64_t CutPrograms::causal_attentions() const {
  if (causal_rows_ == 0) return 0;
  return find("tap", causal_rows_, Input::kIds, [&] { return decoder_->tap(); }).causal;
}

const CutPrograms::Made& CutPrograms::find(const std::string& name, std::int64_t length,
    Input input, const std::function<GraphPointer()>& graph) const {
  const bool causal = length <= causal_rows_;
  const std::string key = causal ? name + " causal" : name;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = made_.find(key);
  if (found != made_.end()) return found->second;
  Made made{decoder_->program(graph(), name), 0};
  if (causal) made.causal = drop_masks(made.program, input);
  made.program.add_lora(lora_);
  return made_.emplace(key, std::move(made)).first->second;
}

// Masks that cannot be looked at stay: the table of positions may be too short for the check.
std::int64_t CutPrograms::drop_masks(Program& part, Input input) const {
  try {
    return static_cast<std::int64_t>(
        part.use_causal_attention(decoder_->signature.mask, mask_checks(input)));
  } catch (const Error& error) {
    core::log_debug(std::string("attention keeps its masks: ") + error.what());
    return 0;
  }
}

// Two rows each, one of them padded: a short batch and one of the whole length.
std::vector<MaskCheck> CutPrograms::mask_checks(Input input) const {
  std::vector<MaskCheck> checks;
  for (const std::int64_t length : {std::min(causal_rows_, kShortCheck), causal_rows_}) {
    const std::int64_t padded = (length + 1) / 2;
    tensor::Batch batch;
    batch.ids = at::zeros({2, length}, at::kLong);
    batch.mask = at::ones({2, length}, at::kLong);
    batch.mask[1].narrow(0, padded, length - padded).zero_();
    checks.push_back({decoder_->arguments(batch), length, {length, padded}});
    if (input == Input::kIds) continue;
    checks.back().arguments.emplace_back(
        at::zeros({2, length, decoder_->map.hidden}, at::TensorOptions(decoder_->model->device())));
  }
  return checks;
}

}  // namespace salf::model
