// A budget, and how a person writes one: "3m", "40%", "1e15FLOP", "200steps".
#pragma once

#include "core/fields.h"

namespace salf::types {

enum class BudgetUnit { kSeconds, kShare, kFlops, kTokens, kSteps, kEpochs, kJoules, kMoney };
inline std::vector<core::EnumName<BudgetUnit>> enum_names(BudgetUnit) {
  return {{BudgetUnit::kSeconds, "seconds"}, {BudgetUnit::kShare, "share"},
      {BudgetUnit::kFlops, "flops"}, {BudgetUnit::kTokens, "tokens"}, {BudgetUnit::kSteps, "steps"},
      {BudgetUnit::kEpochs, "epochs"}, {BudgetUnit::kJoules, "joules"},
      {BudgetUnit::kMoney, "money"}};
}

// clock: ends by the clock. priced: energy or money, which last as many seconds as the rates say.
// work: FLOPs, or a share of them. counted: tokens, steps, epochs, whatever they cost.
enum class BudgetKind { kClock, kPriced, kWork, kCounted };

// share: of the FLOPs of full fine-tuning for the plan's largest number of epochs, its evaluations
// included (0.4 for 40%).
struct Budget {
  double amount = 0.0;
  BudgetUnit unit = BudgetUnit::kSeconds;
  std::optional<std::string> currency{};  // of money: ISO 4217
  // How long a priced budget lasts (cost::resolve_budget); 0 until that is known, and of others. A
  // plan records it as budget_seconds.
  double seconds = 0.0;

  BudgetKind kind() const;
  // Neither the clock nor a meter decides when a run ends.
  bool deterministic() const { return kind() == BudgetKind::kWork || counted(); }
  bool counted() const { return kind() == BudgetKind::kCounted; }
  // That the clock (or a meter's joules, as seconds) may run; 0 of a deterministic budget.
  double clock_seconds() const { return kind() == BudgetKind::kClock ? amount : seconds; }
  // So many times the budget; steps and tokens stay whole, and at least 1.
  Budget times(double factor) const;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"amount"}.positive(), self.amount);
    visit("unit", self.unit);
    visit("currency", self.currency);
  }
};

// Forms (units in any case, spaces between number and unit allowed, plural or singular):
//   time    90, 90s, 3m, 3min, 1.5h, 1h30m, 2d        -> seconds; a bare number is seconds
//   share   40%                                       -> of full fine-tuning's FLOPs (0.4)
//   FLOPs   1e15FLOP, 2PFLOP (k, M, G, T, P, E before FLOP; k, m, g … are read the same)
//   counts  50000tokens, 200steps, 3epochs            -> tokens and steps are whole numbers
//   energy  0.3kWh, 200Wh, 1MJ, 500kJ, 1e6J           -> joules (M and m are both mega)
//   money   5USD, 3.50 EUR, 600JPY, $5, 3€            -> any ISO 4217 code in capitals
// The amount is above 0 and finite. A rate ("1TFLOP/s") is refused. Throws Error(kUsage) that
// quotes the text and lists the forms.
Budget parse_budget(const std::string& text);

// A text that parse_budget reads back as the same budget, to 6 significant digits: "3m", "1h30m",
// "40%", "2PFLOP", "50000tokens". Whole seconds are shown in h, m and s; others in seconds.
std::string format_budget(const Budget& budget);

// Bytes of "4GiB", "500MB", "1.5 GiB", "2000000000" (a bare number is bytes; k, M, G, T with B are
// powers of 1000, with iB of 1024). Throws Error(kUsage) that quotes the text and lists the forms.
double parse_bytes(const std::string& text);

// "5%" or "0.05" as 0.05; nothing for what is neither, or not finite.
std::optional<double> parse_share(const std::string& text);

}  // namespace salf::types
