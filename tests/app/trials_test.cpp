#include "app/evidence/trials.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cost/estimate.h"
#include "support/sample_documents.h"

namespace salf::app {
namespace {

types::FreezePlan plan_with(double seconds, std::int64_t cut) {
  types::FreezePlan plan;
  plan.shape = support::sample_shape();
  plan.cost = support::sample_cost();
  plan.data = support::sample_data();
  plan.rule = types::Rule::kPredicted;
  plan.cut = cut;
  plan.budget = {seconds, types::BudgetUnit::kSeconds};
  for (std::int64_t place = 0; place < plan.shape.blocks; ++place) {
    types::Candidate candidate;
    candidate.arm = place == 0 ? types::Arm::kFull : types::Arm::kFreeze;
    candidate.cut = place;
    candidate.fits = true;
    candidate.step_seconds = cost::step_seconds(plan.cost, plan.shape, plan.data, place, 1).total();
    plan.candidates.push_back(candidate);
  }
  return plan;
}

// LoRA beside whole blocks, at the same prices; the lowest loss at cut 3.
types::FreezePlan with_lora(types::FreezePlan plan, bool chosen) {
  for (types::Candidate candidate : plan.candidates.of(types::Method::kBlocks)) {
    candidate.arm = types::Arm::kLora;
    candidate.loss = types::Range{candidate.cut == 3 ? 1.0 : 2.0, 0.0, 3.0};
    plan.candidates.push_back(candidate);
  }
  if (chosen) {
    plan.lora = types::LoraSettings{};
    plan.shape.block_trained_parameters.assign(static_cast<std::size_t>(plan.shape.blocks), 100);
  }
  return plan;
}

double seconds_of(const types::FreezePlan& plan, std::int64_t cut) {
  return static_cast<double>(kTrialSteps) *
         cost::step_seconds(plan.cost, plan.shape, plan.data, cut, 1).total();
}

std::vector<std::string> names(const std::vector<TrialRequest>& arms) {
  std::vector<std::string> all;
  for (const TrialRequest& arm : arms)
    all.push_back(arm.name + (arm.rates.empty() ? "" : " and rates"));
  return all;
}

TEST(ChooseTrials, AreThoseThatATenthOfTheBudgetPaysFor) {
  using Names = std::vector<std::string>;
  const types::FreezePlan plan = plan_with(1.0, 8);
  const double three = seconds_of(plan, 0) + seconds_of(plan, 8) + seconds_of(plan, 14);
  EXPECT_EQ(names(choose_trials(plan_with(10.0 * three + 1000.0, 8), true)),
      (Names{"full", "cut:8", "cut:14"}));
  EXPECT_EQ(names(choose_trials(plan_with(10.0 * (three - 0.2 * seconds_of(plan, 0)), 8), true)),
      (Names{"cut:8", "cut:14"}));
  EXPECT_TRUE(choose_trials(plan_with(5.0 * seconds_of(plan, 8), 8), true).empty());
  const double five = three + 2.0 * seconds_of(plan, 8);
  EXPECT_EQ(names(choose_trials(plan_with(10.0 * five + 1000.0, 8), true)),
      (Names{"full", "cut:8 and rates", "cut:14"}));
  EXPECT_EQ(names(choose_trials(plan_with(10.0 * five + 1000.0, 8), false)),
      (Names{"full", "cut:8", "cut:14"}));
}

TEST(ChooseTrials, CompareLoraWithFullTuning) {
  using Names = std::vector<std::string>;
  const types::FreezePlan plan = plan_with(1.0, 8);
  const double two = seconds_of(plan, 0) + seconds_of(plan, 8);
  EXPECT_EQ(names(choose_trials(with_lora(plan_with(1e9, 8), true), true)),
      (Names{"full", "lora:8 and rates", "lora:14"}));
  EXPECT_EQ(names(choose_trials(with_lora(plan_with(10.0 * two + 300.0, 8), true), true)),
      (Names{"full", "lora:8"}));
  EXPECT_EQ(names(choose_trials(with_lora(plan_with(1e9, 8), false), false)),
      (Names{"full", "cut:8", "cut:14", "lora:3"}));
  EXPECT_EQ(names(choose_trials(with_lora(plan_with(1e9, 0), true), false)),
      (Names{"full", "lora:0", "lora:6"}));
}

TEST(ChooseTrials, MeasureWhatAnAimThatSavesPromises) {
  using Names = std::vector<std::string>;
  types::FreezePlan plan = plan_with(1.0, 8);
  plan.budget = {3.0, types::BudgetUnit::kEpochs};
  plan.aim = types::Aim::kCheapest;
  plan.aims.emplace_back().seconds = 1e9;
  EXPECT_EQ(names(choose_trials(plan, false)), (Names{"full", "cut:8"}));
  EXPECT_EQ(
      names(choose_trials(with_lora(plan, true), false)), (Names{"full", "lora:0", "lora:8"}));
  plan.aims.front().seconds = 10.0 * seconds_of(plan, 0);
  EXPECT_TRUE(choose_trials(plan, false).empty());
  plan.aims.front().seconds = 1e9;
  plan.cut = 0;
  EXPECT_TRUE(choose_trials(plan, false).empty());
}

TEST(ChooseTrials, AreNoneWhereNothingIsToBeCompared) {
  EXPECT_TRUE(choose_trials(plan_with(1e9, 29), true).empty());
  types::FreezePlan counted = plan_with(1.0, 8);
  counted.budget = {1e6, types::BudgetUnit::kSteps};
  EXPECT_TRUE(choose_trials(counted, true).empty());
  EXPECT_EQ(
      names(choose_trials(plan_with(1e9, 0), false)), (std::vector<std::string>{"full", "cut:6"}));
}

}  // namespace
}  // namespace salf::app
