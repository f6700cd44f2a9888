// How does a person write a budget? "3m", "40%", "1e15FLOP", "200steps".
#pragma once

#include <optional>
#include <string>

#include "types/freeze_plan.h"

namespace salf::types {

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
