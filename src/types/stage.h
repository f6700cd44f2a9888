// The record of a run in stages: what it did from the deep cut to the shallow one, and why.
#pragma once

#include <cstddef>

#include "types/reason.h"

namespace salf::types {

// One evaluation on the dev split: loss in nats per supervised token, its error clustered by
// document.
struct DevEvaluation {
  std::int64_t step = 0;  // optimizer steps done before it
  double loss = 0.0;
  double standard_error = 0.0;  // NaN (null) with fewer than two documents
  double seconds = 0.0;         // that this evaluation took

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"step"}.range(0, 1e15), self.step);
    visit("loss", self.loss);
    visit(Field{"standard_error"}.range(0, 1e300), self.standard_error);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
  }
};

// What was decided at the end of a stage. none: the run ended in it.
enum class StageChoice { kNone, kNext, kStay };
inline std::vector<core::EnumName<StageChoice>> enum_names(StageChoice) {
  return {{StageChoice::kNone, "none"},
      {StageChoice::kNext, "next"},  // the next group of blocks was unfrozen
      {StageChoice::kStay,
          "stay"}};  // it was not worth it: the rest of the budget was spent at this cut
}

// With its reasons, also in one sentence, and the loss that is predicted for the end of the run
// either way, as in Candidate::loss.
struct StageDecision {
  StageChoice choice = StageChoice::kNone;
  std::vector<Reason> reasons;  // older files have none
  std::string reason;
  std::optional<double> loss_staying{}, loss_next{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("choice", self.choice);
    visit("reasons", self.reasons);
    visit("reason", self.reason);
    visit(Field{"loss_staying"}.range(0, 1e6), self.loss_staying);
    visit(Field{"loss_next"}.range(0, 1e6), self.loss_next);
  }
};

// Share of a run's budget at which stage `index` of `count` ends: equal shares up to the cooldown,
// the last fifth, which belongs to the last.
inline double stage_end(std::size_t index, std::size_t count) {
  return index + 1 == count ? 1.0
                            : 0.8 * static_cast<double>(index + 1) / static_cast<double>(count);
}

struct StageRecord {
  std::int64_t cut = 0;
  double learning_rate = 0.0;
  std::int64_t first_step = 0;  // steps done before it
  std::int64_t steps = 0;
  double began_seconds = 0.0;                 // of the budget, all processes of the run together
  double seconds = 0.0;                       // that it took, its evaluations included
  std::optional<DevEvaluation> evaluation{};  // the last one in it
  StageDecision decision{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"first_step"}.range(0, 1e15), self.first_step);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"began_seconds"}.range(0, 1e12), self.began_seconds);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
    visit("evaluation", self.evaluation);
    visit("decision", self.decision);
  }
};

// What a decision rests on.
struct StageEnd {
  std::vector<StageRecord> stages;  // so far, the one that ends last
  std::int64_t next_cut = 0;
  double step_tokens = 0.0;                      // of a step
  double unique_tokens = 0.0;                    // of an epoch
  double steps_staying = 0.0, steps_next = 0.0;  // that the rest of the budget pays for, either way
};

}  // namespace salf::types
