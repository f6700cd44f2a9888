// The next token of a text, chosen by a model's logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/fields.h"
#include "core/random.h"

namespace salf::generate {

struct Sampling {
  double temperature = 0.0;  // 0: the most likely token
  double top_p = 1.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"temperature",
              "0: always the most likely token; above, tokens are drawn, with their logits divided "
              "by this"}
              .common()
              .range(0, 100),
        self.temperature);
    visit(Field{"top_p",
              "draw among the most likely tokens that have this probability together; 1: among all"}
              .common()
              .range(1e-9, 1),
        self.top_p);
  }
};

// softmax(logits / temperature), [V] f64. With top_p < 1 only the fewest of the most likely tokens
// whose probabilities sum up to top_p or more keep theirs, rescaled (Holtzman et al. 2020, arXiv
// 1904.09751). `logits` [V]. REQUIRES: temperature > 0
at::Tensor probabilities(const at::Tensor& logits, const Sampling& sampling);

// The token with the largest logit, the first of equal ones, or one drawn by probabilities().
// Throws Error(kBadModel) for logits that are not finite.
std::int64_t next_token(const at::Tensor& logits, const Sampling& sampling, core::Random& random);

}  // namespace salf::generate
