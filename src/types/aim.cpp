#include "types/aim.h"

#include <charconv>

#include "core/error.h"

namespace salf::types {

LossIncrease parse_loss_increase(const std::string& text) {
  LossIncrease increase;
  const char* const end = text.data() + text.size();
  const auto [behind, code] = std::from_chars(text.data(), end, increase.amount);
  increase.of_gain = behind != end && *behind == '%';
  const bool whole = behind + (increase.of_gain ? 1 : 0) == end;
  if (code != std::errc() || !whole || !(increase.amount >= 0.0 && increase.amount <= 100.0)) {
    throw Error(ErrorKind::kUsage,
        "--max-loss-increase " + text +
            ": expected nats a token, as 0.02, or a share of what tuning gains, as 5%; from 0 to "
            "100");
  }
  if (increase.of_gain) increase.amount /= 100.0;
  return increase;
}

}  // namespace salf::types
