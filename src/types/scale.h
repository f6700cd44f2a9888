// What a step takes that several ranks share, as a plan predicts it for machines that are not at
// hand.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/fields.h"

namespace salf::types {

// With so many ranks, each with batches of its own. Seconds are of a step of the first epoch.
struct RankForecast {
  std::int64_t ranks = 1;  // that share a step
  double step_seconds = 0.0;
  double exchange_seconds = 0.0;       // that the link needs
  double waited_seconds = 0.0;         // of them, what is not hidden by the backward pass
  double tokens_per_second = 0.0;      // of all ranks
  double efficiency = 0.0;             // tokens a second, by those of as many ranks alone
  std::optional<double> memory_bytes;  // of a rank
  double sent_bytes = 0.0;             // by each rank in a step

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"ranks"}.range(1, 65536), self.ranks);
    visit(Field{"step_seconds"}.range(0, 1e40), self.step_seconds);
    visit(Field{"exchange_seconds"}.range(0, 1e40), self.exchange_seconds);
    visit(Field{"waited_seconds"}.range(0, 1e40), self.waited_seconds);
    visit(Field{"tokens_per_second"}.range(0, 1e40), self.tokens_per_second);
    visit(Field{"efficiency"}.range(0, 65536), self.efficiency);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit(Field{"sent_bytes"}.range(0, 1e18), self.sent_bytes);
  }
};

struct Scale {
  std::string link;                // as given: "25Gb/s"
  double gradient_bytes = 0.0;     // that a step sums
  bool sharded = false;            // each rank updates its part of the weights alone
  std::vector<RankForecast> rows;  // by ranks, the first is of one

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("link", self.link);
    visit(Field{"gradient_bytes"}.range(0, 1e18), self.gradient_bytes);
    visit("sharded", self.sharded);
    visit("rows", self.rows);
  }
};

}  // namespace salf::types
