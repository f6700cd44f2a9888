// A profile, costs and data such as a small model would give, for tests that need no model: the
// shape is SmolLM2-135M's, the curves are the test's.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "types/freeze_plan.h"
#include "types/layer_profile.h"
#include "types/measured_cost.h"
#include "types/model_shape.h"

namespace salf::support {

inline types::ModelShape sample_shape(std::int64_t blocks = 30) {
  types::ModelShape shape;
  shape.blocks = blocks;
  shape.hidden = 576;
  shape.vocabulary = 49152;
  shape.tied = true;
  shape.embedding_parameters = 576 * 49152;
  shape.final_parameters = 576;
  shape.block_parameters.assign(static_cast<std::size_t>(blocks), 3540096);
  shape.block_matrix_parameters.assign(static_cast<std::size_t>(blocks), 3538944);
  shape.parameters = shape.embedding_parameters + shape.final_parameters + blocks * 3540096;
  return shape;
}

inline types::MeasuredCost sample_cost() {
  types::MeasuredCost cost;
  cost.block_forward = 7e-5;
  cost.block_forward_trained = 8e-5;
  cost.block_backward = 1.5e-4;
  cost.embedding_backward = 0.02;
  cost.head = 1.1e-3;
  cost.head_trained = 1.7e-3;
  cost.head_forward = 6e-4;
  cost.optimizer = 1e-9;
  cost.step_fixed = 1e-3;
  cost.save = 1e-9;
  cost.timed_batches = 5;
  return cost;
}

inline types::DataShape sample_data() {
  types::DataShape data;
  data.documents = 1600;
  data.batches = 150;
  data.real_tokens = 130000;
  data.padded_tokens = 150000;
  data.supervised_tokens = 90000;
  data.mean_length = 90.0;
  data.dev_documents = 16;
  data.dev_padded_tokens = 1500;
  data.dev_supervised_tokens = 900;
  return data;
}

// One measure of this curve, each space known to `error`, with replicates that scatter as much.
inline types::Deviation sample_deviation(const std::vector<double>& curve, double error = 1e-3,
    int replicates = 50, std::uint64_t seed = 1) {
  types::Deviation measured;
  measured.documents = 500;
  measured.positions = 20000;
  measured.deviation = curve;
  measured.standard_error.assign(curve.size(), error);
  measured.gain_error.assign(curve.size() - 1, error);
  for (std::size_t i = 0; i + 1 < curve.size(); ++i)
    measured.gain.push_back(curve[i] - curve[i + 1]);
  core::Random random(seed, "replicates");
  for (int r = 0; r < replicates; ++r) {
    measured.replicates.push_back(curve);
    for (double& value : measured.replicates.back()) value += error * random.normal();
  }
  return measured;
}

// A slow fall from 1, a drop of 0.1 in block `drop` (1-based) and a jump in the last block.
inline std::vector<double> curve_with_drop(std::int64_t blocks, std::int64_t drop) {
  std::vector<double> curve;
  for (std::int64_t l = 0; l <= blocks; ++l) {
    double value = 1.0 - 0.002 * static_cast<double>(l);
    if (l >= drop) value -= 0.1;
    if (l == blocks) value -= 0.4;
    curve.push_back(value);
  }
  return curve;
}

inline types::LayerProfile sample_profile(const std::vector<double>& curve) {
  types::LayerProfile profile;
  profile.provenance.model = "model";
  profile.shape = sample_shape(static_cast<std::int64_t>(curve.size()) - 1);
  profile.tokens = 30000;
  profile.deviations = {sample_deviation(curve)};
  return profile;
}

// Runs `action`; it must throw Error of this kind with a message that holds every one of `parts`.
template <class Action>
void expect_error(ErrorKind kind, const std::vector<std::string>& parts, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

}  // namespace salf::support
