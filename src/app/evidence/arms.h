// The control arms: which blocks each trains, and what a step of it costs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "types/freeze_plan.h"
#include "types/measured_cost.h"
#include "types/model_shape.h"

namespace salf::app {

enum class ArmKind { kPlan, kFull, kFreeze, kHalf, kLast, kFirst, kMiddle, kRandom, kLisa, kLora };

// One arm as the command line names it.
struct BenchArm {
  ArmKind kind = ArmKind::kFull;
  std::int64_t number = 0;  // of frozen blocks (cut, lora), or of trained ones

  bool masked() const;  // trains a set of blocks that is not "all above a cut"
};

// "plan", "full", "half", "cut:8" (8 frozen blocks), "last:6" (the cut above which 6 are trained),
// "first:6", "middle:6", "random:6" (drawn once by the seed), "lisa:6" (drawn again every --redraw
// steps; after Pan et al. 2024, LISA, arXiv 2403.17919, whose embedding and head are trained as
// well and here are not), "lora:12" (LoRA in the blocks above 12 frozen ones; "lora:0" in all).
// Throws Error(kUsage).
BenchArm parse_arm(const std::string& text);
// What is wrong with these arms, and with what the arms lora:N add.
std::vector<std::string> arm_problems(
    const std::vector<std::string>& arms, const std::string& lora);
// As parse_arm reads it.
std::string arm_text(const BenchArm& arm);
// What a planner's candidate is called here. REQUIRES: it has its arm
BenchArm arm_of(const types::Candidate& candidate);
// The word of the truth table: full, freeze (also last and half), plan, first, middle, random,
// lisa, lora.
std::string arm_word(const BenchArm& arm);

// The eof-layer of an arm that is a cut (not of plan). Throws Error(kUsage) if the model has too
// few blocks for the arm.
std::int64_t arm_cut(const BenchArm& arm, std::int64_t blocks);
// The blocks that a masked arm trains in a step, ascending.
std::vector<std::int64_t> arm_blocks(const BenchArm& arm, std::int64_t blocks, std::uint64_t seed,
    std::int64_t step, std::int64_t redraw);

// Seconds of a step in the first epoch and in later ones, where a cut's frozen part is not run
// again.
struct StepPrice {
  double first = 0.0;
  double later = 0.0;
};
// What it is computed from: of LoRA the cost and the shape that were measured with its branches.
struct StepBasis {
  const types::MeasuredCost& cost;
  const types::ModelShape& shape;
  const types::DataShape& data;
  std::int64_t accumulate = 1;  // batches of a step
};
// `cut`: of a cut.
StepPrice step_price(const BenchArm& arm, std::int64_t cut, std::uint64_t seed, std::int64_t redraw,
    const StepBasis& basis);

}  // namespace salf::app
