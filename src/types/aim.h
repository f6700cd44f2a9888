// What a plan optimises.
#pragma once

#include <string>

#include "types/candidates.h"

namespace salf::types {

// The lowest loss that the budget buys; or, within a loss increase of the better of full
// fine-tuning and LoRA on all blocks with the whole budget, the least time or the least memory.
enum class Aim { kBest, kCheapest, kSmallest };
inline std::vector<core::EnumName<Aim>> enum_names(Aim) {
  return {{Aim::kBest, "best"}, {Aim::kCheapest, "cheapest"}, {Aim::kSmallest, "smallest"}};
}

// How much more loss than the reference is accepted.
struct LossIncrease {
  double amount = 0.02;
  bool of_gain = false;  // a share of what tuning takes off the loss, not nats a token

  // As a share of the loss before, of which the reference ends at the share `reference`.
  double as_ratio(double reference, double loss_before) const {
    return of_gain ? amount * (1.0 - reference) : amount / loss_before;
  }
};

// "0.02" or "5%". Throws Error(kUsage)
LossIncrease parse_loss_increase(const std::string& text);

// What a plan with this aim would do.
struct AimChoice {
  Aim aim = Aim::kBest;  // of this choice
  bool fits = false;     // false: nothing does, and the rest is not set
  std::optional<Arm> arm;
  std::int64_t cut = 0;
  std::int64_t steps = 0;
  double seconds = 0.0;
  std::optional<double> memory_bytes;
  std::optional<Range> loss;  // as Candidate::loss

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("aim", self.aim);
    visit("fits", self.fits);
    visit("arm", self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit("loss", self.loss);
  }
};

}  // namespace salf::types
