#include "app/session/lora_options.h"

#include "app/planning/planning_options.h"
#include "app/session/model_options.h"

namespace salf::app {
namespace {

bool asked(const std::string& lora) {
  return lora != LoraOptions{}.lora && lora != "none" && !lora.empty();
}

// The cut is where the blocks with branches begin.
void refuse_choice(
    const std::string& flag, const PlanningOptions& planning, std::vector<std::string>& problems) {
  const bool chosen =
      planning.rule != PlanningOptions{}.rule && planning.rule != types::Rule::kFixed;
  if (chosen)
    problems.push_back(
        flag + " says where the cut is: leave out --rule " + core::enum_to_string(planning.rule));
  if (planning.wanted_aim() != types::Aim::kBest)
    problems.push_back(flag + " says where the cut is: leave out --aim and --max-loss-increase");
}

}  // namespace

std::vector<std::string> LoraOptions::problems(
    const PlanningOptions& planning, const std::string& adapter) const {
  std::vector<std::string> problems;
  const bool given = asked(lora);
  if (given && !adapter.empty())
    problems.emplace_back(
        "--adapter goes on from an adapter, which says its rank and its layers: leave out --lora");
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
  attempt(problems, [&] {
    const auto asked = settings();
    if (asked && asked->blocks && asked->whole && asked->blocks->first <= asked->whole->last &&
        asked->whole->first <= asked->blocks->last) {
      problems.push_back(
          "--lora-blocks " + lora_blocks + " and --full-blocks " + full_blocks + " overlap");
    }
  });
  return problems;
}

std::optional<types::LoraSettings> LoraOptions::settings() const {
  if (!asked(lora)) return std::nullopt;
  types::LoraSettings settings = types::parse_lora(lora);
  if (!lora_blocks.empty()) settings.blocks = types::parse_blocks(lora_blocks, "--lora-blocks");
  if (!full_blocks.empty()) settings.whole = types::parse_blocks(full_blocks, "--full-blocks");
  return settings;
}

bool LoraOptions::beside(const PlanningOptions& planning, const std::string& adapter) const {
  return lora == LoraOptions{}.lora && planning.rule == types::Rule::kPredicted && !planning.cut &&
         planning.stages == 1 && !planning.learning_rate && adapter.empty();
}

}  // namespace salf::app
