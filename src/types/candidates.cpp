#include "types/candidates.h"

#include <algorithm>
#include <iterator>

namespace salf::types {
namespace {

bool is_of(const Candidate& candidate, Method method) {
  return !candidate.arm || method_of(*candidate.arm) == method;
}

}  // namespace

const Candidate* Candidates::at(Method method, std::int64_t cut) const {
  const auto found = std::find_if(all_.begin(), all_.end(),
      [&](const Candidate& one) { return one.cut == cut && is_of(one, method); });
  return found == all_.end() ? nullptr : &*found;
}

const Candidate& Candidates::full() const {
  const Candidate* const blocks = at(Method::kBlocks, 0);
  return blocks != nullptr ? *blocks : *at(Method::kLora, 0);
}

std::vector<Candidate> Candidates::of(Method method) const {
  std::vector<Candidate> same;
  std::copy_if(all_.begin(), all_.end(), std::back_inserter(same),
      [method](const Candidate& one) { return is_of(one, method); });
  return same;
}

std::size_t Candidates::place(const Candidate& candidate) const {
  return static_cast<std::size_t>(&candidate - all_.data());
}

}  // namespace salf::types
