#include "cost/scale.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/text.h"
#include "cost/estimate.h"

namespace salf::cost {
namespace {

constexpr double kElement = 4.0;  // bytes of a float32
constexpr double kBits = 8.0;     // of a byte

// "Gb/s" → 1e9/8; nothing for other texts.
std::optional<double> bytes_of_unit(std::string unit) {
  constexpr const char* kPrefixes = "kMGT";
  double factor = 1.0;
  if (!unit.empty()) {
    const std::string prefixes = kPrefixes;
    const std::size_t place = prefixes.find(unit.front());
    if (place != std::string::npos) {
      factor = std::pow(1000.0, static_cast<double>(place + 1));
      unit.erase(0, 1);
    }
  }
  if (unit == "b/s" || unit == "bit/s" || unit == "bps") return factor / kBits;
  if (unit == "B/s") return factor;
  return std::nullopt;
}

types::RankForecast forecast_of(const types::FreezePlan& plan, const RankStep& step,
    std::int64_t ranks, double bytes_per_second) {
  const RankTimes times = shared_step(step, ranks, bytes_per_second);
  const types::DataShape& data = plan.data;
  const double tokens = static_cast<double>(data.real_tokens) /
                        static_cast<double>(std::max<std::int64_t>(1, data.batches)) *
                        static_cast<double>(plan.accumulate);
  types::RankForecast row;
  row.ranks = ranks;
  row.step_seconds = times.seconds;
  row.exchange_seconds = times.exchange;
  row.waited_seconds = times.waited;
  row.tokens_per_second = static_cast<double>(ranks) * tokens / times.seconds;
  row.efficiency = step.seconds / times.seconds;
  row.sent_bytes = sent_bytes(step, ranks);
  MemoryOptions memory;
  memory.batch_tokens = plan.batch_tokens;
  memory.ranks = ranks;
  memory.sharded = step.sharded && ranks > 1;
  memory.accumulates = plan.accumulate > 1;
  const double bytes = peak_bytes(plan.cost, plan.shape, plan.cut, memory);
  if (bytes > 0.0) row.memory_bytes = bytes;
  return row;
}

// Of what all ranks have together, what each of N sends to the others.
double share_of_others(std::int64_t ranks) {
  return static_cast<double>(ranks - 1) / static_cast<double>(ranks);
}

}  // namespace

std::vector<std::string> ScaleOptions::problems() const {
  std::vector<std::string> problems;
  if (ranks > 1 && link.empty())
    problems.emplace_back(
        "--ranks needs --link, such as 25Gb/s: what each of them is connected by");
  if (ranks == 1 && !link.empty()) problems.emplace_back("--link needs --ranks of 2 or more");
  if (ranks == 1 && shard_optimizer != types::ShardOptimizer::kAuto)
    problems.emplace_back("--shard-optimizer needs --ranks of 2 or more");
  if (link.empty()) return problems;
  try {
    parse_link(link);
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

double parse_link(const std::string& text) {
  const char* const begin = text.c_str();
  char* end = nullptr;
  const double amount = std::strtod(begin, &end);
  std::string unit(end);
  unit.erase(0,
      unit.find_first_not_of(' ') == std::string::npos ? unit.size() : unit.find_first_not_of(' '));
  const std::optional<double> each = bytes_of_unit(unit);
  if (end == begin || !std::isfinite(amount) || !(amount > 0.0) || !each) {
    throw Error(ErrorKind::kUsage, "--link " + core::printable(text) +
                                       ": expected a number and a unit, such as 25Gb/s, 400Mb/s or "
                                       "3GB/s");
  }
  return amount * *each;
}

double gradient_bytes(const types::ModelShape& shape, std::int64_t cut) {
  return kElement * static_cast<double>(shape.trained_parameters(cut));
}

RankStep rank_step(const types::MeasuredCost& cost, const types::ModelShape& shape,
    const types::DataShape& data, std::int64_t cut, std::int64_t accumulate, bool sharded) {
  const types::CostBreakdown whole = step_seconds(cost, shape, data, cut, accumulate);
  RankStep step;
  step.seconds = whole.total();
  step.backward = whole.backward / static_cast<double>(accumulate);
  step.optimizer = whole.optimizer;
  step.gradient_bytes = step.result_bytes = gradient_bytes(shape, cut);
  step.sharded = sharded;
  if (sharded && cost.copy_bytes) {
    step.result_bytes =
        std::min(kElement, *cost.copy_bytes) * static_cast<double>(shape.trained_parameters(cut));
  }
  return step;
}

double sent_bytes(const RankStep& step, std::int64_t ranks) {
  return share_of_others(ranks) * (step.gradient_bytes + step.result_bytes);
}

RankTimes shared_step(const RankStep& step, std::int64_t ranks, double bytes_per_second) {
  RankTimes times{step.seconds, 0.0, 0.0};
  if (ranks == 1) return times;
  times.exchange = sent_bytes(step, ranks) / bytes_per_second;
  const double early = step.sharded
                           ? share_of_others(ranks) * step.gradient_bytes / bytes_per_second
                           : times.exchange;
  times.waited = times.exchange - std::min(early, step.backward);
  times.seconds += times.waited;
  if (step.sharded) times.seconds -= share_of_others(ranks) * step.optimizer;
  return times;
}

std::optional<types::Scale> forecast(const types::FreezePlan& plan, const ScaleOptions& options) {
  if (plan.cost.timed_batches < 1) return std::nullopt;
  const double link = parse_link(options.link);
  const RankStep step = rank_step(plan.cost, plan.shape, plan.data, plan.cut, plan.accumulate,
      types::shards(options.shard_optimizer, plan.method()));
  types::Scale scale;
  scale.link = options.link;
  scale.gradient_bytes = step.gradient_bytes;
  scale.sharded = step.sharded;
  scale.rows.push_back(forecast_of(plan, step, 1, link));
  scale.rows.push_back(forecast_of(plan, step, options.ranks, link));
  return scale;
}

}  // namespace salf::cost
