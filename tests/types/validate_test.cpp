#include "types/validate.h"

#include <functional>
#include <limits>

#include "support/sample_documents.h"

namespace salf::types {
namespace {

using support::expect_error;

LayerProfile small_profile() { return support::sample_profile(support::curve_with_drop(6, 3)); }

FreezePlan small_plan() {
  FreezePlan plan;
  plan.shape = support::sample_shape(6);
  plan.data = support::sample_data();
  plan.budget = {180.0, BudgetUnit::kSeconds};
  plan.batch_tokens = 1024;
  return plan;
}

struct BadProfile {
  const char* path;
  std::function<void(LayerProfile&)> breaks;
};

TEST(Validate, AcceptsWhatIsWhole) {
  EXPECT_NO_THROW(check(small_profile(), "p"));
  EXPECT_NO_THROW(check(small_plan(), "p"));
  RunRecord record;
  record.plan = small_plan();
  EXPECT_NO_THROW(check(record, "r"));
}

TEST(Validate, NamesTheBrokenPlaceOfAProfile) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<BadProfile> cases = {
      {"p: shape.blocks", [](LayerProfile& p) { p.shape.blocks = 0; }},
      {"p: shape.block_parameters", [](LayerProfile& p) { p.shape.block_parameters.pop_back(); }},
      {"p: shape.block_parameters[2]", [](LayerProfile& p) { p.shape.block_parameters[2] = -1; }},
      {"p: shape.block_matrix_parameters[1]",
          [](LayerProfile& p) { p.shape.block_matrix_parameters[1] = 4000000; }},
      {"p: shape.head_parameters", [](LayerProfile& p) { p.shape.head_parameters = 1; }},
      {"p: shape.parameters", [](LayerProfile& p) { p.shape.parameters = 5; }},
      {"p: positions", [](LayerProfile& p) { p.positions = "some"; }},
      {"p: norm", [](LayerProfile& p) { p.norm = ""; }},
      {"p: deviations", [](LayerProfile& p) { p.deviations.clear(); }},
      {"p: deviations[1].measure",
          [](LayerProfile& p) { p.deviations.push_back(p.deviations[0]); }},
      {"p: deviations[0].deviation",
          [](LayerProfile& p) { p.deviations[0].deviation.push_back(0); }},
      {"p: deviations[0].standard_error",
          [](LayerProfile& p) { p.deviations[0].standard_error.clear(); }},
      {"p: deviations[0].standard_error[1]",
          [](LayerProfile& p) { p.deviations[0].standard_error[1] = -1; }},
      {"p: deviations[0].deviation[3]",
          [=](LayerProfile& p) { p.deviations[0].deviation[3] = infinity; }},
      {"p: deviations[0].gain[4]", [](LayerProfile& p) { p.deviations[0].gain[4] += 1e-4; }},
      {"p: deviations[0].gain_error",
          [](LayerProfile& p) { p.deviations[0].gain_error.pop_back(); }},
      {"p: deviations[0].replicates[7]",
          [](LayerProfile& p) { p.deviations[0].replicates[7].pop_back(); }},
      {"p: deviations[0].replicates[2][1]",
          [](LayerProfile& p) { p.deviations[0].replicates[2][1] = std::nan(""); }},
      {"p: scaling_laws[0].share", [](LayerProfile& p) { p.scaling_laws.resize(1); }},
  };
  for (const BadProfile& one : cases) {
    SCOPED_TRACE(one.path);
    LayerProfile broken = small_profile();
    one.breaks(broken);
    expect_error(ErrorKind::kBadInput, {std::string(one.path) + ": "}, [&] { check(broken, "p"); });
  }
}

TEST(Validate, StandardErrorsAloneMayBeUnknown) {
  LayerProfile unknown = small_profile();
  unknown.deviations[0].standard_error[0] = std::nan("");
  unknown.deviations[0].gain_error[0] = std::nan("");
  EXPECT_NO_THROW(check(unknown, "p"));
  unknown.deviations[0].deviation[0] = std::nan("");
  expect_error(
      ErrorKind::kBadInput, {"p: deviations[0].deviation[0]"}, [&] { check(unknown, "p"); });
}

void add_candidates(FreezePlan& plan, int count) {
  for (int i = 0; i < count; ++i) plan.candidates.push_back({});
}

struct BadPlan {
  const char* path;
  std::function<void(FreezePlan&)> breaks;
};

TEST(Validate, NamesTheBrokenPlaceOfAPlan) {
  const std::vector<BadPlan> cases = {
      {"p: eof", [](FreezePlan& p) { p.cut = 6; }},
      {"p: eof", [](FreezePlan& p) { p.cut = -1; }},
      {"p: budget.amount", [](FreezePlan& p) { p.budget.amount = 0; }},
      {"p: smallest_budget.amount", [](FreezePlan& p) { p.smallest_budget = Budget{}; }},
      {"p: accumulate", [](FreezePlan& p) { p.accumulate = 0; }},
      {"p: learning_rate", [](FreezePlan& p) { p.learning_rate = std::nan(""); }},
      {"p: cost.head", [](FreezePlan& p) { p.cost.head = -1; }},
      {"p: data.real_tokens", [](FreezePlan& p) { p.data.real_tokens = p.data.padded_tokens + 1; }},
      {"p: predicted_flops.backward", [](FreezePlan& p) { p.predicted_flops.backward = -1; }},
      {"p: choices[0].eof",
          [](FreezePlan& p) {
            p.choices.resize(1);
            p.choices[0].cut = 6;
          }},
      {"p: choices[0].low",
          [](FreezePlan& p) {
            p.choices.resize(1);
            p.choices[0].low = 1;
          }},
      {"p: candidates", [](FreezePlan& p) { add_candidates(p, 5); }},
      {"p: candidates[1].eof", [](FreezePlan& p) { add_candidates(p, 6); }},
  };
  for (const BadPlan& one : cases) {
    SCOPED_TRACE(one.path);
    FreezePlan broken = small_plan();
    one.breaks(broken);
    expect_error(ErrorKind::kBadInput, {std::string(one.path) + ": "}, [&] { check(broken, "p"); });
  }
}

TEST(Validate, EvaluationsOfARunStandInOrder) {
  RunRecord record;
  record.plan = small_plan();
  record.evaluations = {{10, 1, 0, 0}, {5, 1, 0, 0}};
  expect_error(ErrorKind::kBadInput, {"r: evaluations[1].step"}, [&] { check(record, "r"); });
  record.evaluations.clear();
  record.plan.cut = 9;
  expect_error(ErrorKind::kBadInput, {"r: plan.eof"}, [&] { check(record, "r"); });
}

}  // namespace
}  // namespace salf::types
