#include "train/run/agreement.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/clock.h"
#include "core/signals.h"
#include "distributed/group.h"
#include "train/run/trainer.h"

namespace salf::train {
namespace {

// The largest of the ranks' values, each by itself.
template <std::size_t N>
std::array<double, N> largest(distributed::Group& ranks, const std::array<double, N>& own) {
  constexpr auto kCount = static_cast<std::int64_t>(N);
  const at::Tensor part = at::empty({kCount}, at::kDouble);
  const at::Tensor all = at::empty({ranks.size(), kCount}, at::kDouble);
  std::copy(own.begin(), own.end(), part.mutable_data_ptr<double>());
  ranks.all_gather(all, part);
  std::array<double, N> most = own;
  for (std::int64_t i = 0; i < ranks.size() * kCount; ++i) {
    double& value = most[static_cast<std::size_t>(i % kCount)];
    value = std::max(value, all.const_data_ptr<double>()[i]);
  }
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
  const auto most = largest<2>(*ranks_, {own_spent(), static_cast<double>(core::stop_signal())});
  spent_ = most[0];
  stop_signal_ = static_cast<int>(most[1]);
  if (stop_signal_ != 0) core::set_stop_signal(stop_signal_);
}

double Agreement::greatest(double value) const {
  return ranks_ == nullptr ? value : largest<1>(*ranks_, {value})[0];
}

}  // namespace salf::train
