// A run, a plan and a profile of a small model, made up but consistent.
#pragma once

#include <string>

#include "report/run_data.h"

namespace salf::testing {

constexpr std::int64_t kBlocks = 6;

inline types::ModelShape sample_shape() {
  types::ModelShape shape;
  shape.blocks = kBlocks;
  shape.hidden = 8;
  shape.vocabulary = 100;
  shape.tied = true;
  shape.embedding_parameters = 800;
  shape.final_parameters = 8;
  shape.block_parameters.assign(kBlocks, 500);
  shape.block_matrix_parameters.assign(kBlocks, 480);
  shape.parameters = 800 + 8 + kBlocks * 500;
  return shape;
}

inline types::Deviation sample_deviation(types::Measure measure) {
  types::Deviation measured;
  measured.measure = measure;
  measured.documents = 12;
  measured.positions = 345;
  measured.deviation = {0.98, 0.95, 0.91, 0.7, 0.5, 0.44, 0.4};
  for (std::size_t i = 0; i + 1 < measured.deviation.size(); ++i) {
    measured.gain.push_back(measured.deviation[i] - measured.deviation[i + 1]);
  }
  measured.standard_error.assign(kBlocks + 1, 0.01);
  measured.gain_error.assign(kBlocks, 0.005);
  return measured;
}

inline types::LayerProfile sample_profile() {
  types::LayerProfile profile;
  profile.shape = sample_shape();
  profile.tokens = 4567;
  profile.seconds = 1.25;
  profile.deviations = {
      sample_deviation(types::Measure::kCosine), sample_deviation(types::Measure::kLoss)};
  return profile;
}

inline types::FreezePlan sample_plan() {
  types::FreezePlan plan;
  plan.shape = sample_shape();
  plan.rule = types::Rule::kBudget;
  plan.cut = 3;
  plan.reason = "for a reason";
  plan.choices = {{types::Rule::kMaxGain, types::Measure::kCosine, 3, 0.81, 3, 4}};
  plan.budget = {600.0, types::BudgetUnit::kSeconds};
  plan.batch_tokens = 256;
  plan.steps = 40;
  plan.learning_rate = 3.1e-4;
  plan.cost.timed_batches = 4;
  plan.predicted_seconds.backward = 31.5;
  plan.predicted_flops.backward = 4.2e9;
  plan.full_step_seconds = 1.5;
  plan.full_step_flops = 2e8;
  for (std::int64_t cut = 0; cut < kBlocks; ++cut) {
    const auto depth = static_cast<double>(cut);
    types::Candidate candidate;
    candidate.cut = cut;
    candidate.trained_parameters = plan.shape.trained_parameters(cut);
    candidate.steps = 30 + 10 * cut;
    candidate.step_seconds = 1.5 - 0.2 * depth;
    candidate.step_flops = 2e8 - 2e7 * depth;
    candidate.seconds = 60.0;
    candidate.flops = 8e9;
    candidate.fits = true;
    plan.candidates.push_back(candidate);
  }
  return plan;
}

inline report::RunData sample_run() {
  report::RunData data;
  data.name = data.path = "run";
  types::RunRecord run;
  run.plan = sample_plan();
  run.status = types::RunStatus::kFinished;
  run.steps = 40;
  run.tokens = 10240;
  run.supervised_tokens = 9000;
  run.tokens_per_second = 123.4;
  run.evaluations = {{0, 2.5123, 0.051, 0.2}, {40, 2.1012, 0.048, 0.2}};
  run.before = run.evaluations.front();
  run.after = run.best = run.evaluations.back();
  run.predicted_seconds = run.plan.predicted_seconds;
  run.measured_seconds.backward = 33.25;
  run.flops = 4.1e9;
  run.peak_anonymous_bytes = 123456789;
  run.options = {{"model", "m"}, {"budget", "10m"}};
  data.run = run;
  data.plan = run.plan;
  data.profile = sample_profile();
  for (std::int64_t step = 1; step <= 40; ++step) {
    data.metrics.steps.push_back(
        {step, 256 * step, 0.9, 2.5 - 0.01 * static_cast<double>(step), 1e-4, 0.5});
  }
  return data;
}

}  // namespace salf::testing
