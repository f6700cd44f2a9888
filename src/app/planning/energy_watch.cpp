#include "app/planning/energy_watch.h"

#include <cstdlib>
#include <thread>

#include "app/session/session.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/machine.h"
#include "cost/money.h"

namespace salf::app {
namespace {

// Watts of less time than this are no mean.
constexpr double kLeastSeconds = 5.0;

// The number of "cuda:1"; nothing for a processor.
std::optional<std::int64_t> gpu_of(const std::string& device) {
  if (device.rfind("cuda", 0) != 0) return std::nullopt;
  const auto colon = device.find(':');
  return colon == std::string::npos ? 0 : std::strtoll(device.c_str() + colon + 1, nullptr, 10);
}

cost::MachineFacts facts_of(const ModelOptions& model) {
  cost::MachineFacts facts;
  facts.processor = processor_name();
  facts.threads = model.threads > 0
                      ? model.threads
                      : core::threads_within(core::group_limits(),
                            static_cast<std::int64_t>(std::thread::hardware_concurrency()));
  if (const auto gpu = gpu_of(model.device)) {
    facts.gpu = cost::gpu_name(*gpu);
    if (facts.gpu.empty()) facts.gpu = "unknown GPU";
  }
  return facts;
}

}  // namespace

EnergyWatch::EnergyWatch(
    const cost::RateOptions& rates, const ModelOptions& model, const types::Budget& budget)
    : watts_given_(rates.watts.has_value()), meter_(cost::open_meter(gpu_of(model.device))) {
  stated_ = cost::make_rates(rates, facts_of(model), budget);
  // A meter may say the watts later; without one they are needed now.
  if (meter_ == nullptr || budget.unit == types::BudgetUnit::kMoney)
    cost::resolve_budget(budget, stated_);
}

types::Rates EnergyWatch::rates() const {
  const auto so_far = measured();
  if (watts_given_ || !so_far || so_far->seconds < kLeastSeconds) return stated_;
  return cost::with_measured_watts(stated_, so_far->joules, so_far->seconds, so_far->basis);
}

std::optional<cost::MeasuredEnergy> EnergyWatch::measured() const {
  if (!meter_) return std::nullopt;
  const double joules = meter_->joules();
  if (!meter_->intact()) return std::nullopt;
  return cost::MeasuredEnergy{joules, core::process_seconds(), meter_->basis()};
}

double BudgetClock::spent_seconds() const {
  const double seconds = core::process_seconds();
  if (plan_.budget.kind() != types::BudgetKind::kPriced || !plan_.rates) return seconds;
  const auto so_far = energy_.measured();
  return cost::spent_seconds(plan_.budget, *plan_.rates, seconds,
      so_far ? std::optional<double>(so_far->joules) : std::nullopt);
}

}  // namespace salf::app
