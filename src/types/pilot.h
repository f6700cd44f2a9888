// The result of a pilot: a run on a sample that predicts the whole run.
#pragma once

#include "core/fields.h"

namespace salf::types {

struct PilotRecord {
  double share = 0.0;          // of the documents, and of budgets that are amounts
  std::int64_t documents = 0;  // in the sample, all splits together
  std::int64_t all_documents = 0;
  // The plan for all documents and the whole budget (full-plan.json).
  std::int64_t full_cut = 0;
  std::int64_t full_steps = 0;
  double full_seconds = 0.0;  // predicted from the pilot's timed batches, everything included
  double full_flops = 0.0;
  // Measured / predicted seconds of a pilot's step; nothing without steps.
  std::optional<double> pace{};
  // The prediction at that pace: other steps for a budget by the clock, another time for others.
  std::optional<std::int64_t> full_steps_at_pace{};
  std::optional<double> full_seconds_at_pace{};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(Field{"share"}.range(0, 1), self.share);
    visit(Field{"documents"}.range(0, 1e12), self.documents);
    visit(Field{"all_documents"}.range(0, 1e12), self.all_documents);
    visit(Field{"full_eof"}.range(0, 1e5), self.full_cut);
    visit(Field{"full_steps"}.range(0, 1e15), self.full_steps);
    visit(Field{"full_seconds"}.range(0, 1e12), self.full_seconds);
    visit(Field{"full_flops"}.range(0, 1e40), self.full_flops);
    visit(Field{"pace"}.range(0, 1e9), self.pace);
    visit(Field{"full_steps_at_pace"}.range(0, 1e15), self.full_steps_at_pace);
    visit(Field{"full_seconds_at_pace"}.range(0, 1e15), self.full_seconds_at_pace);
  }
};

}  // namespace salf::types
