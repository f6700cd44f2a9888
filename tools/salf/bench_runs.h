// One arm of salf bench: trained on a model read anew, at the prices of the virtual clock, and scored on the test split.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "bench_arms.h"
#include "bench_record.h"
#include "cmd_bench.h"
#include "lora_options.h"
#include "session.h"

namespace salf::tools {

// Thrown where a signal stops the work; what is done is in bench.json.
struct BenchStopped {};

class BenchRuns {
 public:
  // All must outlive this. `record` has the prices; `folder` is the bench's.
  BenchRuns(const BenchOptions& options, const BenchRecord& record, std::filesystem::path folder, core::Progress& progress)
      : options_(options), record_(record), folder_(std::move(folder)), progress_(progress) {}

  data::Dataset read_data(const ModelSession& session) const;
  data::Batcher train_rows(const ModelSession& session, const data::Dataset& dataset) const;

  // A run to do: `row` says cut, seed and factor of the rate, `seconds` what it may spend on the virtual clock.
  struct Length {
    BenchRow row;
    double seconds = 0.0;
  };
  // Trains the arm to the longest of `lengths` (ascending; of one cut, seed and factor), the shorter ones as branches of it,
  // fills their rows, scores them if `on_test`, and hands each over when it is done. Throws BenchStopped, Error(kBudget) for
  // lengths of less than two steps.
  void run(const BenchArm& arm, std::vector<Length> lengths, bool on_test, const std::function<void(const BenchRow&)>& done) const;

  // Test loss, untimed; writes the documents' losses.
  void score(const ModelSession& session, const data::Dataset& dataset, BenchRow& row) const;

 private:
  bool is_lora(const BenchArm& arm) const { return arm.kind == ArmKind::kLora; }
  const types::MeasuredCost& cost_of(const BenchArm& arm) const { return is_lora(arm) ? record_.lora_cost : record_.cost; }
  double steps_per_epoch() const { return static_cast<double>(record_.data.batches); }
  StepPrice price(const BenchArm& arm, const BenchRow& row, const types::ModelShape& shape) const;
  types::FreezePlan plan_of(const BenchArm& arm, const Length& length, const types::ModelShape& shape) const;
  void fill(BenchRow& row, const types::RunRecord& run, const StepPrice& price) const;

  const BenchOptions& options_;
  const BenchRecord& record_;
  std::filesystem::path folder_;
  core::Progress& progress_;
};

// What LoRA's arms train: the branches of all blocks of this session.
LoraStart bench_lora(const BenchOptions& options, const ModelSession& session);

}  // namespace salf::tools
