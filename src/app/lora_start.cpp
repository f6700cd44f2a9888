#include "app/lora_start.h"

#include <algorithm>

#include "app/planning.h"
#include "core/error.h"
#include "core/log.h"
#include "model/weights/lora.h"

namespace salf::app {
namespace {

bool asked(const std::string& lora) {
  return lora != LoraOptions{}.lora && lora != "none" && !lora.empty();
}

void check_range(
    const std::optional<types::BlockRange>& range, std::int64_t blocks, const char* flag) {
  if (!range || range->last < blocks) return;
  throw Error(ErrorKind::kUsage, std::string(flag) + " " + std::to_string(range->first) + "-" +
                                     std::to_string(range->last) + ": the model has blocks 0 to " +
                                     std::to_string(blocks - 1));
}

LoraStart fresh(
    const types::LoraSettings& settings, const ModelSession& session, std::uint64_t seed) {
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
  LoraStart start{settings, model::make_lora(*session.model, layers, scale, seed), std::nullopt};
  if (settings.blocks)
    start.cut = settings.whole ? std::min(settings.blocks->first, settings.whole->first)
                               : settings.blocks->first;
  return start;
}

LoraStart from_adapter(const std::string& path, const ModelSession& session) {
  convert::Adapter adapter = open_adapter(path, session);
  if (adapter.dropout > 0.0) {
    core::log_warning(
        core::printable(path) +
        ": was trained with dropout, which salf does not have: it is trained on without");
  }
  const std::int64_t first = adapter.settings.blocks->first;
  return {std::move(adapter.settings), std::move(adapter.branches), first};
}

// The cut is where the blocks with branches begin.
void refuse_choice(
    const std::string& flag, const PlanningOptions& planning, std::vector<std::string>& problems) {
  const bool chosen =
      planning.rule != PlanningOptions{}.rule && planning.rule != types::Rule::kFixed;
  if (chosen)
    problems.push_back(
        flag + " says where the cut is: leave out --rule " + core::enum_to_string(planning.rule));
  if (planning.max_loss_increase)
    problems.push_back(flag + " says where the cut is: leave out --max-loss-increase");
}

}  // namespace

std::vector<std::string> LoraOptions::problems(
    const PlanningOptions& planning, const std::string& adapter) const {
  std::vector<std::string> problems;
  const bool given = asked(lora);
  if (given && !adapter.empty()) problems.emplace_back(kLoraAndAdapter);
  if (!lora_blocks.empty()) refuse_choice("--lora-blocks", planning, problems);
  if (!adapter.empty()) refuse_choice("--adapter", planning, problems);
  if (planning.stages > 1 && (given || !adapter.empty())) {
    problems.emplace_back("--stages unfreezes whole blocks: leave out --lora and --adapter");
  }
  if (!given && !lora_blocks.empty()) problems.emplace_back("--lora-blocks needs --lora r=N");
  if (!full_blocks.empty() && lora_blocks.empty()) {
    problems.emplace_back(
        "--full-blocks needs --lora-blocks beside it; without LoRA, --eof says which blocks are "
        "tuned");
  }
  try {
    const auto asked = settings();
    if (asked && asked->blocks && asked->whole && asked->blocks->first <= asked->whole->last &&
        asked->whole->first <= asked->blocks->last) {
      problems.push_back(
          "--lora-blocks " + lora_blocks + " and --full-blocks " + full_blocks + " overlap");
    }
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

std::optional<types::LoraSettings> LoraOptions::settings() const {
  if (!asked(lora)) return std::nullopt;
  types::LoraSettings settings = types::parse_lora(lora);
  if (!lora_blocks.empty()) settings.blocks = types::parse_blocks(lora_blocks, "--lora-blocks");
  if (!full_blocks.empty()) settings.whole = types::parse_blocks(full_blocks, "--full-blocks");
  return settings;
}

std::optional<LoraStart> start_lora(const std::optional<types::LoraSettings>& settings,
    const std::string& adapter, const ModelSession& session, std::uint64_t seed) {
  if (!adapter.empty()) return from_adapter(adapter, session);
  if (!settings) return std::nullopt;
  return fresh(*settings, session, seed);
}

std::optional<LoraStart> lora_beside(const LoraOptions& options, const PlanningOptions& planning,
    const std::string& adapter, const ModelSession& session, std::uint64_t seed) {
  const bool chosen =
      planning.rule == types::Rule::kPredicted && !planning.cut && planning.stages == 1;
  if (options.lora != LoraOptions{}.lora || !chosen || planning.learning_rate || !adapter.empty())
    return std::nullopt;
  const types::LoraSettings settings = types::parse_lora(kUsualLora);
  const std::vector<model::LinearLayer> layers = session.graph->linear_layers();
  const bool small = std::any_of(layers.begin(), layers.end(),
      [&](const auto& layer) { return std::min(layer.in, layer.out) < settings.rank; });
  if (layers.empty() || small) return std::nullopt;
  return fresh(settings, session, seed);
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
