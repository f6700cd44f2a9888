// One evaluation on the dev split during a run.
#pragma once

#include "core/fields.h"

namespace salf::types {

// One evaluation on the dev split: loss in nats per supervised token, its error clustered by
// document.
struct DevEvaluation {
  std::int64_t step = 0;  // optimizer steps done before it
  double loss = 0.0;
  double standard_error = 0.0;  // NaN (null) with fewer than two documents
  double seconds = 0.0;         // that this evaluation took

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(Field{"step"}.range(0, 1e15), self.step);
    visit("loss", self.loss);
    visit(Field{"standard_error"}.range(0, 1e300), self.standard_error);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
  }
};

}  // namespace salf::types
