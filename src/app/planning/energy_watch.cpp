#include "app/planning/energy_watch.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "app/session/session.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/machine.h"
#include "cost/money.h"
#include "distributed/group.h"
#include "distributed/machines.h"

namespace salf::app {
namespace {

// Watts of less time than this are no mean.
constexpr double kLeastSeconds = 5.0;

// The number of "cuda:1", a rank's of "cuda"; nothing for a processor.
std::optional<std::int64_t> gpu_of(const std::string& device, const distributed::Group* ranks) {
  if (device.rfind("cuda", 0) != 0) return std::nullopt;
  const auto colon = device.find(':');
  if (colon == std::string::npos) return ranks == nullptr ? 0 : ranks->local_rank();
  return std::strtoll(device.c_str() + colon + 1, nullptr, 10);
}

// Of a rank, its share of the threads that it and others may use.
cost::MachineFacts facts_of(const ModelOptions& model, const distributed::Group* ranks) {
  cost::MachineFacts facts;
  facts.processor = processor_name();
  const std::int64_t all = core::threads_within(
      core::group_limits(), static_cast<std::int64_t>(std::thread::hardware_concurrency()));
  const std::int64_t sharing = ranks == nullptr ? 1 : ranks->sharing_cores();
  facts.threads = model.threads > 0 ? model.threads : std::max<std::int64_t>(1, all / sharing);
  if (const auto gpu = gpu_of(model.device, ranks)) {
    facts.gpu = cost::gpu_name(*gpu);
    if (facts.gpu.empty()) facts.gpu = "unknown GPU";
  }
  return facts;
}

types::Rates of_all(types::Rates own, bool watts_given, distributed::Group* ranks) {
  if (ranks == nullptr) return own;
  const bool first = distributed::find_machines(ranks).first_here;
  const core::Json told = {{"rates", core::to_json(own)}, {"first", first}};
  std::vector<cost::RankRates> all;
  for (const std::string& text : ranks->all_gather(told.dump())) {
    const core::Json json = core::parse_json(text, "a rank's rates");
    cost::RankRates one{{}, json.at("first").get<bool>()};
    core::from_json(json.at("rates"), "a rank's rates", one.rates);
    all.push_back(std::move(one));
  }
  return cost::sum_of_ranks(all, watts_given);
}

}  // namespace

EnergyWatch::EnergyWatch(const cost::RateOptions& rates, const ModelOptions& model,
    const types::Budget& budget, distributed::Group* ranks)
    : ranks_(ranks), watts_given_(rates.watts.has_value()) {
  open_meters(model);
  stated_ = of_all(cost::make_rates(rates, facts_of(model, ranks), budget), watts_given_, ranks);
  // A meter may say the watts later; without one they are needed now.
  if (!metered_ || budget.unit == types::BudgetUnit::kMoney) cost::resolve_budget(budget, stated_);
}

// The counters of a machine's processors are its first rank's, those of a GPU the first's that
// works on it.
void EnergyWatch::open_meters(const ModelOptions& model) {
  std::optional<std::int64_t> gpu = gpu_of(model.device, ranks_);
  const distributed::Machines machines = distributed::find_machines(ranks_);
  const std::string part = gpu ? "GPU " + std::to_string(*gpu) : "no GPU";
  const bool counts_gpu = distributed::find_machines(ranks_, part).first_here;
  if (gpu && !counts_gpu) gpu.reset();
  meter_ = cost::open_meter(gpu, machines.first_here);
  const bool counts = gpu || machines.first_here;
  metered_ = distributed::greatest(ranks_, counts && meter_ == nullptr ? 1.0 : 0.0) == 0.0;
  if (meter_ != nullptr) basis_ = meter_->basis();
  if (machines.count > 1) basis_ = std::to_string(machines.count) + " machines, each: " + basis_;
}

void EnergyWatch::meet() {
  if (ranks_ == nullptr || !metered_) return;
  const double own = meter_ ? meter_->joules() : 0.0;
  const double broken = meter_ && !meter_->intact() ? 1.0 : 0.0;
  const std::vector<double> all = ranks_->all_gather(std::vector<double>{own, broken});
  others_ = -own;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    others_ += all[i];
    if (all[i + 1] > 0.0) metered_ = false;
  }
}

types::Rates EnergyWatch::rates() const {
  const auto so_far = measured();
  if (watts_given_ || !so_far || so_far->seconds < kLeastSeconds) return stated_;
  return cost::with_measured_watts(stated_, so_far->joules, so_far->seconds, so_far->basis);
}

std::optional<cost::MeasuredEnergy> EnergyWatch::measured() const {
  if (!metered_) return std::nullopt;
  const double joules = meter_ ? meter_->joules() : 0.0;
  if (meter_ && !meter_->intact()) return std::nullopt;
  return cost::MeasuredEnergy{joules + others_, core::process_seconds(), basis_};
}

void BudgetClock::meet() {
  if (plan_.budget.kind() == types::BudgetKind::kPriced) energy_.meet();
}

double BudgetClock::spent_seconds() const {
  const double seconds = core::process_seconds();
  if (plan_.budget.kind() != types::BudgetKind::kPriced || !plan_.rates) return seconds;
  const auto so_far = energy_.measured();
  return cost::spent_seconds(plan_.budget, *plan_.rates, seconds,
      so_far ? std::optional<double>(so_far->joules) : std::nullopt);
}

}  // namespace salf::app
