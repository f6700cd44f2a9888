// Runs of control arms: each on a model read anew, so that no arm sees another's weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/bench_arms.h"
#include "app/lora_start.h"
#include "app/model_options.h"
#include "app/session.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "train/run/run_observer.h"
#include "train/run/train_options.h"

namespace salf::app {

// Thrown where a signal stops the work.
struct ArmStopped {};

// What the arms have in common. The references must outlive it.
struct ArmSetup {
  const ModelOptions& model;
  const data::Dataset& dataset;
  const data::BatchOptions& batch;
  const train::TrainOptions& train;
  std::string lora;                // what the arms lora:N add
  std::int64_t dev_documents = 0;  // of an evaluation
  std::int64_t redraw = 1;         // steps between lisa's draws
  std::filesystem::path folder;    // exists; a folder in it is made and removed
};

struct ArmRun {
  BenchArm arm;
  std::int64_t cut = 0;
  std::int64_t seed = 1;
  double rate_factor = 1.0;  // times the rule's learning rate
  std::vector<std::int64_t>
      steps;  // ascending: the last is the trunk's, the others are branches of it
  std::int64_t evaluations = 0;  // on dev
  std::vector<train::RunObserver*> observers;
};

class ArmRuns {
 public:
  ArmRuns(ArmSetup setup, core::Progress& progress)
      : setup_(std::move(setup)), progress_(progress) {}

  data::Batcher train_rows(const ModelSession& session) const;
  std::vector<std::int64_t> dev_documents() const;

  // A number of steps that is done, ascending; the session's model has the weights.
  using Done = std::function<void(const types::RunRecord&, const ModelSession&)>;
  // Throws ArmStopped.
  void run(const ArmRun& run, const Done& done) const;

  std::uint64_t seed() const { return static_cast<std::uint64_t>(setup_.model.seed); }

 private:
  ArmSetup setup_;
  core::Progress& progress_;
};

// The branches of all blocks that LoRA's arms may train.
LoraStart arm_lora(const std::string& lora, const ModelSession& session, std::uint64_t seed);

// What one epoch of the training rows holds. Throws Error(kBadInput) for none.
types::DataShape training_shape(
    const data::Batcher& batcher, std::int64_t documents, std::uint64_t seed);

}  // namespace salf::app
