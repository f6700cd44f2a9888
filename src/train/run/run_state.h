// Where a run stands: what is saved and restored.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/fields.h"
#include "tensor/tensor_file.h"
#include "types/freeze_plan.h"
#include "types/run_record.h"

namespace salf::train {

struct RunState {
  std::int64_t step = 0;    // optimizer steps done
  std::int64_t epoch = 0;   // of the next batch
  std::int64_t batch = 0;   // the next batch within its epoch
  std::int64_t tokens = 0;  // real tokens trained on
  std::int64_t supervised_tokens = 0;
  double flops = 0.0;          // of the training batches
  double flops_avoided = 0.0;  // of the frozen part, which came from a cache
  std::vector<types::DevEvaluation> evaluations;
  std::optional<types::DevEvaluation> best;
  std::int64_t worse_evaluations = 0;   // in a row since the best one
  std::optional<double> best_accuracy;  // of the best evaluation
  types::CostBreakdown measured_seconds;
  std::int64_t peak_anonymous_bytes = 0;

  // Whether the weights of this step were evaluated.
  bool evaluated() const { return !evaluations.empty() && evaluations.back().step == step; }
  bool best_is_present() const { return best && best->step == step; }
  // The evaluation before the first step; null if there was none.
  const types::DevEvaluation* before() const {
    return !evaluations.empty() && evaluations.front().step == 0 ? &evaluations.front() : nullptr;
  }
  // Whether so many evaluations in a row were no better than the best one; never with 0.
  bool out_of_patience(std::int64_t patience) const {
    return patience > 0 && worse_evaluations >= patience;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"step"}.range(0, 1e12), self.step);
    visit(Field{"epoch"}.range(0, 1e12), self.epoch);
    visit(Field{"batch"}.range(0, 1e12), self.batch);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"flops_avoided"}.range(0, 1e40), self.flops_avoided);
    visit(Field{"evaluations"}, self.evaluations);
    visit(Field{"best"}, self.best);
    visit(Field{"worse_evaluations"}.range(0, 1e12), self.worse_evaluations);
    visit(Field{"best_accuracy"}, self.best_accuracy);
    visit(Field{"measured_seconds"}, self.measured_seconds);
    visit(Field{"peak_anonymous_bytes"}.range(0, 1e18), self.peak_anonymous_bytes);
  }
};

// A run at one moment.
struct RunSnapshot {
  RunState state;
  // "weight/NAME", "best/NAME" where those of the best evaluation are others, AdamW's under
  // "adam/".
  std::vector<tensor::NamedTensor> tensors;
};

// What the training loop's policies settled on the way.
struct RunCourse {
  double spent_seconds = 0.0;                  // of the budget, all processes of this run together
  std::optional<std::int64_t> cooldown_start;  // set once it is settled
  std::vector<types::Gate> gates;
  std::vector<types::StageRecord> stages;  // the last one is open; none of a run without stages

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"spent_seconds"}.range(0, 1e12), self.spent_seconds);
    visit(Field{"cooldown_start"}.range(0, 1e12), self.cooldown_start);
    visit(Field{"gates"}, self.gates);
    visit(Field{"stages"}, self.stages);
  }
};

}  // namespace salf::train
