#include "app/session/lora_start.h"

#include <algorithm>

#include "app/session/lora_options.h"
#include "core/error.h"
#include "core/log.h"
#include "model/weights/lora.h"

namespace salf::app {
namespace {

void check_range(
    const std::optional<types::BlockRange>& range, std::int64_t blocks, const char* flag) {
  if (!range || range->last < blocks) return;
  throw Error(ErrorKind::kUsage, std::string(flag) + " " + std::to_string(range->first) + "-" +
                                     std::to_string(range->last) + ": the model has blocks 0 to " +
                                     std::to_string(blocks - 1));
}

LoraStart from_adapter(const std::string& path, const Session& session) {
  convert::Adapter adapter = open_adapter(path, session);
  if (adapter.dropout > 0.0) {
    core::log_warning(
        core::printable(path) +
        ": was trained with dropout, which salf does not have: it is trained on without");
  }
  const std::int64_t first = adapter.settings.blocks->first;
  return {std::move(adapter.settings), std::move(adapter.branches), first};
}

}  // namespace

convert::Adapter open_adapter(const std::string& path, const Session& session) {
  convert::Adapter adapter = convert::read_peft_adapter(path, *session.model, *session.graph);
  if (adapter.base_hash.empty() || adapter.base_hash == session.archive_hash) return adapter;
  throw Error(ErrorKind::kBadInput,
      core::printable(path) + ": this adapter was trained on other weights than those in " +
          core::printable(session.files.archive.string()) + " (their SHA-256 differ)");
}

LoraStart new_lora(const types::LoraSettings& settings, const Session& session) {
  const std::int64_t blocks = session.graph->map().blocks;
  check_range(settings.blocks, blocks, "--lora-blocks");
  check_range(settings.whole, blocks, "--full-blocks");
  std::vector<model::LinearLayer> layers = session.graph->linear_layers();
  const auto left_out = [&](const model::LinearLayer& layer) {
    return !settings.adapts(layer.block);
  };
  layers.erase(std::remove_if(layers.begin(), layers.end(), left_out), layers.end());
  layers = model::choose_layers(layers, settings.targets);
  const model::LoraScale scale{settings.rank, settings.alpha, settings.rank_stabilized};
  LoraStart start{
      settings, model::make_lora(*session.model, layers, scale, session.seed()), std::nullopt};
  if (settings.blocks)
    start.cut = settings.whole ? std::min(settings.blocks->first, settings.whole->first)
                               : settings.blocks->first;
  return start;
}

std::optional<LoraStart> start_lora(
    const std::optional<types::LoraSettings>& settings, const Session& session) {
  if (!session.options.adapter.empty()) return from_adapter(session.options.adapter, session);
  if (!settings) return std::nullopt;
  return new_lora(*settings, session);
}

std::optional<LoraStart> usual_lora(const Session& session) {
  const types::LoraSettings settings = types::parse_lora(kUsualLora);
  const std::vector<model::LinearLayer>& layers = session.graph->linear_layers();
  const bool small = std::any_of(layers.begin(), layers.end(),
      [&](const auto& layer) { return std::min(layer.in, layer.out) < settings.rank; });
  if (layers.empty() || small) return std::nullopt;
  return new_lora(settings, session);
}

std::optional<std::int64_t> wanted_cut(
    const std::optional<LoraStart>& lora, const std::optional<std::int64_t>& asked) {
  if (!lora || !lora->cut) return asked;
  const std::int64_t first = *lora->cut;
  if (asked && *asked != first) {
    throw Error(ErrorKind::kUsage,
        "--eof " + std::to_string(*asked) +
            ": the first block that has LoRA or is tuned as a whole is " + std::to_string(first) +
            ", and that is where the cut has to be; leave out --eof");
  }
  return first;
}

std::vector<model::LoraLayer> branches_above(
    const std::vector<model::LoraLayer>& branches, std::int64_t cut) {
  std::vector<model::LoraLayer> above;
  for (const auto& branch : branches) {
    if (branch.layer.block >= cut) above.push_back(branch);
  }
  return above;
}

std::vector<std::int64_t> trained_of_blocks(const types::ModelShape& shape, const LoraStart& lora) {
  std::vector<std::int64_t> trained(static_cast<std::size_t>(shape.blocks), 0);
  for (const auto& branch : lora.branches) {
    trained[static_cast<std::size_t>(branch.layer.block)] += branch.a.numel() + branch.b.numel();
  }
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (lora.settings.tunes_whole(static_cast<std::int64_t>(i)))
      trained[i] = shape.block_parameters[i];
  }
  return trained;
}

}  // namespace salf::app
