// A run's state for Prometheus (text exposition format 0.0.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace salf::report {

struct LiveMetrics {
  std::string run;  // label of every sample
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::int64_t tokens = 0;
  std::int64_t supervised_tokens = 0;
  double loss = 0.0;
  double learning_rate = 0.0;
  double tokens_per_second = 0.0;  // of the last step
  double budget_spent = 0.0;       // share 0 … 1
  std::optional<double> dev_loss;  // the last evaluation's
  std::optional<std::int64_t> dev_step;
};

// Leaves out the samples of steps before the first step.
std::string prometheus_text(const LiveMetrics& metrics);

}  // namespace salf::report
