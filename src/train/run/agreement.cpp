#include "train/run/agreement.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/clock.h"
#include "core/signals.h"
#include "distributed/group.h"
#include "distributed/machines.h"
#include "train/run/trainer.h"

namespace salf::train {
namespace {

// The largest of the ranks' values, each by itself.
template <std::size_t N>
std::array<double, N> largest(distributed::Group& ranks, const std::array<double, N>& own) {
  const std::vector<double> all = ranks.all_gather(std::vector<double>(own.begin(), own.end()));
  std::array<double, N> most = own;
  for (std::size_t i = 0; i < all.size(); ++i) most[i % N] = std::max(most[i % N], all[i]);
  return most;
}

}  // namespace

double Agreement::own_spent() const {
  return carried_ + (clock_ != nullptr ? clock_->spent_seconds() : core::process_seconds());
}

int Agreement::stop_signal() const {
  return ranks_ == nullptr ? core::stop_signal() : stop_signal_;
}

void Agreement::meet() {
  if (ranks_ == nullptr) return;
  if (clock_ != nullptr) clock_->meet();
  const auto most = largest<2>(*ranks_, {own_spent(), static_cast<double>(core::stop_signal())});
  spent_ = most[0];
  stop_signal_ = static_cast<int>(most[1]);
  if (stop_signal_ != 0) core::set_stop_signal(stop_signal_);
}

double Agreement::greatest(double value) const { return distributed::greatest(ranks_, value); }

}  // namespace salf::train
