// What learns how a run goes on, besides metrics.jsonl.
#pragma once

#include <cstdint>
#include <vector>

#include "train/evaluate.h"
#include "types/run_record.h"

namespace salf::train {

struct StepMetrics {
  std::int64_t step = 0;               // from 1
  std::int64_t epoch = 0;              // from 0
  std::int64_t tokens = 0;             // cumulative
  std::int64_t supervised_tokens = 0;  // cumulative
  double seconds = 0.0;                // of this step
  double loss = 0.0;                   // nats per supervised token, before the update
  double learning_rate = 0.0;
  double budget_spent = 0.0;  // share 0 … 1
};

// Called on the training thread, after metrics.jsonl was written; what is thrown ends the run.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void step(const StepMetrics& /*metrics*/) {}
  // documents: each dev document's sums, by index in the dataset.
  virtual void evaluation(
      const types::DevEvaluation& /*evaluation*/, const std::vector<DocumentLoss>& /*documents*/) {}
};

}  // namespace salf::train
