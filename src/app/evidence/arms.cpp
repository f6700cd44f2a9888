#include "app/evidence/arms.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "app/session/model_options.h"
#include "core/log.h"
#include "core/random.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

struct ArmName {
  ArmKind kind;
  const char* name;
  bool numbered;
};

constexpr ArmName kArms[] = {{ArmKind::kPlan, "plan", false}, {ArmKind::kFull, "full", false},
    {ArmKind::kHalf, "half", false}, {ArmKind::kFreeze, "cut", true},
    {ArmKind::kLast, "last", true}, {ArmKind::kFirst, "first", true},
    {ArmKind::kMiddle, "middle", true}, {ArmKind::kRandom, "random", true},
    {ArmKind::kLisa, "lisa", true}, {ArmKind::kLora, "lora", true}};

const ArmName& name_of(ArmKind kind) {
  for (const ArmName& arm : kArms) {
    if (arm.kind == kind) return arm;
  }
  throw Error(ErrorKind::kInternal, "unknown arm");
}

std::vector<std::int64_t> run_of_blocks(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(count));
  std::iota(blocks.begin(), blocks.end(), first);
  return blocks;
}

std::vector<std::int64_t> drawn_blocks(
    std::int64_t count, std::int64_t blocks, core::Random random) {
  std::vector<std::int64_t> drawn = core::permutation(blocks, random);
  drawn.resize(static_cast<std::size_t>(count));
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace

bool BenchArm::masked() const {
  return kind == ArmKind::kFirst || kind == ArmKind::kMiddle || kind == ArmKind::kRandom ||
         kind == ArmKind::kLisa;
}

BenchArm parse_arm(const std::string& text) {
  const auto colon = text.find(':');
  const std::string word = text.substr(0, colon);
  for (const ArmName& known : kArms) {
    if (word != known.name || known.numbered != (colon != std::string::npos)) continue;
    if (!known.numbered) return {known.kind, 0};
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [behind, code] = std::from_chars(text.data() + colon + 1, end, number);
    const std::int64_t fewest = known.kind == ArmKind::kLora ? 0 : 1;
    if (code == std::errc() && behind == end && number >= fewest && number < 100000)
      return {known.kind, number};
  }
  throw Error(
      ErrorKind::kUsage, "--arms \"" + core::printable(text) +
                             "\": expected plan, full, half, cut:N, last:N, first:N, middle:N, " +
                             "random:N or lisa:N with N blocks from 1 on, or lora:N from 0 on");
}

std::vector<std::string> arm_problems(
    const std::vector<std::string>& arms, const std::string& lora) {
  std::vector<std::string> problems;
  for (const std::string& arm : arms) attempt(problems, [&arm] { parse_arm(arm); });
  attempt(problems, [&lora] { types::parse_lora(lora); });
  return problems;
}

std::string arm_text(const BenchArm& arm) {
  const ArmName& name = name_of(arm.kind);
  return name.numbered ? std::string(name.name) + ":" + std::to_string(arm.number) : name.name;
}

BenchArm arm_of(const types::Candidate& candidate) {
  if (candidate.arm == types::Arm::kLora) return {ArmKind::kLora, candidate.cut};
  return {candidate.cut == 0 ? ArmKind::kFull : ArmKind::kFreeze, candidate.cut};
}

std::string arm_word(const BenchArm& arm) {
  const bool cut =
      arm.kind == ArmKind::kFreeze || arm.kind == ArmKind::kHalf || arm.kind == ArmKind::kLast;
  return cut ? "freeze" : name_of(arm.kind).name;
}

std::int64_t arm_cut(const BenchArm& arm, std::int64_t blocks) {
  const auto check = [&](std::int64_t low, std::int64_t value, std::int64_t high) {
    if (value >= low && value <= high) return value;
    throw Error(ErrorKind::kUsage, "--arms " + arm_text(arm) + ": the model has " +
                                       std::to_string(blocks) + " blocks, expected " +
                                       std::to_string(low) + " to " + std::to_string(high));
  };
  switch (arm.kind) {
    case ArmKind::kHalf: return blocks / 2;
    case ArmKind::kFreeze: return check(1, arm.number, blocks - 1);
    case ArmKind::kLora: return check(0, arm.number, blocks - 1);
    case ArmKind::kLast: return blocks - check(1, arm.number, blocks - 1);
    case ArmKind::kPlan:
    case ArmKind::kFull: return 0;
    default: check(1, arm.number, blocks); return 0;
  }
}

std::vector<std::int64_t> arm_blocks(const BenchArm& arm, std::int64_t blocks, std::uint64_t seed,
    std::int64_t step, std::int64_t redraw) {
  if (arm.kind == ArmKind::kFirst) return run_of_blocks(0, arm.number);
  if (arm.kind == ArmKind::kMiddle) return run_of_blocks((blocks - arm.number) / 2, arm.number);
  if (arm.kind == ArmKind::kRandom)
    return drawn_blocks(arm.number, blocks, core::Random(seed, "random-blocks"));
  return drawn_blocks(
      arm.number, blocks, core::Random(seed, "lisa-blocks/" + std::to_string(step / redraw)));
}

StepPrice step_price(const BenchArm& arm, std::int64_t cut, std::uint64_t seed, std::int64_t redraw,
    const StepBasis& basis) {
  const auto& [cost, shape, data, accumulate] = basis;
  if (!arm.masked()) {
    const types::CostBreakdown step = cost::step_seconds(cost, shape, data, cut, accumulate);
    return {step.total(), step.total() - (cut > 0 ? step.prefix : 0.0)};
  }
  // The mean over as many draws as tell it well; one where the blocks stay the same.
  const std::int64_t draws = arm.kind == ArmKind::kLisa ? 64 : 1;
  double sum = 0.0;
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    const auto trained = arm_blocks(arm, shape.blocks, seed, draw * redraw, redraw);
    sum += cost::masked_step_seconds(cost, shape, data, trained, accumulate).total();
  }
  return {sum / static_cast<double>(draws), sum / static_cast<double>(draws)};
}

}  // namespace salf::app
