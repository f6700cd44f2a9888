#include "app/planning/planning.h"

#include <algorithm>
#include <cmath>

#include "app/evidence/analysis.h"
#include "app/evidence/evaluation.h"
#include "app/evidence/trials.h"
#include "app/session/frozen_blocks.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/machine.h"
#include "cost/estimate.h"
#include "cost/money.h"
#include "distributed/group.h"
#include "distributed/machines.h"
#include "tensor/device.h"
#include "tensor/device_memory.h"
#include "types/validate.h"

namespace salf::app {
namespace {

constexpr std::int64_t kSampledDevDocuments = 64;
constexpr double kFewestTimed = 3.0;  // batches: the median of two follows a slow one

}  // namespace

Planning::Planning(
    const Session& session, PlanningRequest request, EnergyWatch* energy, core::Progress& progress)
    : session_(session), request_(std::move(request)), energy_(energy), progress_(progress),
      cut_(wanted_cut(request_.lora, request_.options.cut)),
      limits_(request_.options.limits(cut_)) {
  // What is predicted on the CPU are float32 weights.
  const std::uint64_t usable = core::usable_memory().bytes;
  const auto sharing = static_cast<double>(distributed::find_machines(request_.ranks).ranks_here);
  if (session_.device.is_cpu() && request_.frozen == FrozenType::kFloat32 && usable > 0)
    limits_.machine_memory_bytes = static_cast<double>(usable) / sharing;
  if (session_.device.is_cuda())
    limits_.machine_memory_bytes =
        static_cast<double>(tensor::device_memory(session_.device).usable);
  evidence_.batches = request_.batches;
  evidence_.basis.prior = policy::read_prior(request_.options.prior);
  if (request_.dev_loss == DevLoss::kOfTheRun)
    evidence_.spent.first_evaluation = policy::FirstEvaluation::kBeforeThePlan;
  if (request_.options.trials.empty()) return;
  types::TrialTable given = types::read_trials(request_.options.trials);
  check_made_for(given.provenance, session_, request_.options.trials);
  evidence_.basis.trials = std::move(given);
}

void Planning::take(const policy::Evidence& evidence) {
  evidence_ = evidence;
  evidence_.spent.first_evaluation = policy::FirstEvaluation::kInTheRun;
  has_profile_ = has_timing_ = true;
}

std::optional<types::FreezePlan> Planning::plan() {
  const distributed::Group::LongWork long_work(request_.ranks, "planning");
  price_budget();
  if (!find_profile()) return std::nullopt;
  time_steps();
  describe_data();
  types::FreezePlan plan = choose();
  for (Next next = worth_knowing(plan); next != Next::kNothing; next = worth_knowing(plan)) {
    const bool learned = next == Next::kDevLoss ? measure_dev(plan) : run_trials(plan);
    if (!learned) return std::nullopt;
    plan = choose();
  }
  return plan;
}

void Planning::time_steps() {
  if (has_timing_ || !needs_timing()) return;
  const double share = timing_share(request_.beside.has_value());
  train::TimingOptions options;
  options.cut = cut_.value_or(0);
  // The first rank saves the model.
  if (request_.ranks == nullptr || request_.ranks->leads()) options.scratch = request_.scratch;
  const data::Batcher rows = session_.train_rows();
  if (const auto epochs = counted_epochs(request_.budget, request_.batches.accumulate, rows)) {
    const double allowed = share * *epochs * static_cast<double>(rows.in_order().size());
    options.batches =
        std::llround(std::clamp(allowed, kFewestTimed, static_cast<double>(options.batches)));
  }
  if (!request_.budget.deterministic())
    options.seconds = std::min(options.seconds, share * request_.budget.clock_seconds());
  const auto& level = evidence_.basis.prior->level;
  options.gradients = level && level->fits(session_.shape());
  const MethodTiming timed = time_methods(session_, options,
      request_.beside ? &request_.beside->branches : nullptr, progress_, request_.ranks);
  evidence_.cost = timed.blocks.cost;
  evidence_.basis.gradient_agreement = timed.blocks.gradient_agreement;
  if (timed.lora) {
    evidence_.lora = policy::LoraTiming{request_.beside->settings,
        trained_of_blocks(evidence_.profile.shape, *request_.beside), timed.lora->cost};
  }
  has_timing_ = true;
}

// Of a budget by the clock, an evaluation has no more documents than it can afford.
void Planning::describe_data() {
  types::LayerProfile& profile = evidence_.profile;
  evidence_.data = training_shape(session_);
  evidence_.spent.flops = analysis_flops(profile, evidence_.data.mean_length);
  if (request_.lora)
    profile.shape.block_trained_parameters = trained_of_blocks(profile.shape, *request_.lora);
  const std::vector<std::int64_t> dev = session_.dataset->indices(data::Split::kDev);
  if (dev.empty() || request_.dev_loss == DevLoss::kNone) return;
  set_dev_shape(session_, dev, evidence_.data);
  if (request_.budget.deterministic()) return;
  const double seconds = cost::evaluation_seconds(
      evidence_.cost, profile.shape.blocks, cost::dev_batch(evidence_.data));
  const auto all = static_cast<std::int64_t>(dev.size());
  const std::int64_t count = policy::affordable_dev_documents(
      all, seconds / static_cast<double>(all), request_.budget.clock_seconds());
  set_dev_shape(session_, session_.dev_documents(count), evidence_.data);
}

// A budget in energy or money lasts as long as the watts of this moment say.
void Planning::price_budget() {
  if (energy_ == nullptr) return;
  energy_->meet();
  evidence_.rates = energy_->rates();
  request_.budget = cost::resolve_budget(request_.budget, *evidence_.rates);
}

// Their evidence is the same, and yet may differ in what each measures for itself.
types::FreezePlan Planning::shared_choice() {
  distributed::Group* const ranks = request_.ranks;
  if (ranks == nullptr) return policy::plan(evidence_, request_.budget, limits_);
  std::string text;
  if (ranks->leads())
    text = core::document_json(policy::plan(evidence_, request_.budget, limits_)).dump();
  return core::document_from<types::FreezePlan>(
      core::parse_json(ranks->broadcast(text), "rank 0's plan"), "rank 0's plan");
}

types::FreezePlan Planning::choose() {
  price_budget();
  evidence_.spent.seconds = distributed::greatest(request_.ranks, spent_seconds());
  types::FreezePlan plan = shared_choice();
  plan.provenance.created = core::utc_now();
  if (request_.lora) plan.lora = request_.lora->settings;
  return plan;
}

Planning::Next Planning::worth_knowing(const types::FreezePlan& plan) const {
  if (plan.smallest_budget) return Next::kNothing;
  const bool of_the_run = request_.dev_loss == DevLoss::kOfTheRun && plan.evaluations > 1;
  const bool sample = request_.dev_loss == DevLoss::kSample && plan.data.dev_documents > 1;
  if (!evidence_.loss_before && !before_ && (of_the_run || sample)) return Next::kDevLoss;
  const bool predicted = limits_.rule == types::Rule::kPredicted && !request_.lora;
  const bool room = !limits_.max_memory_bytes && request_.frozen == FrozenType::kFloat32;
  if (!request_.trials || !predicted || !room || tried_ || evidence_.basis.trials)
    return Next::kNothing;
  return choose_trials(plan, !limits_.learning_rate).empty() ? Next::kNothing : Next::kTrials;
}

bool Planning::measure_dev(const types::FreezePlan& plan) {
  const bool sample = request_.dev_loss == DevLoss::kSample;
  const std::int64_t count = plan.data.dev_documents;
  before_ = measure_losses(session_,
      session_.dev_documents(sample ? std::min(kSampledDevDocuments, count) : count), progress_,
      request_.ranks);
  if (!before_) return false;
  evidence_.loss_before = loss_before(*before_);
  if (sample) return true;
  evidence_.spent.first_evaluation = policy::FirstEvaluation::kDone;
  evidence_.spent.flops +=
      cost::evaluation_flops(evidence_.profile.shape, cost::dev_batch(evidence_.data));
  return true;
}

bool Planning::run_trials(const types::FreezePlan& plan) {
  tried_ = true;
  const bool own = request_.trial_session == nullptr;
  TrialSetup setup{own ? session_ : *request_.trial_session, *request_.trials, kUsualLora,
      plan.data.dev_documents, request_.scratch, kTrialSteps, request_.ranks};
  try {
    std::optional<types::TrialTable> table = app::run_trials(setup,
        choose_trials(plan, !limits_.learning_rate), own ? before_ : std::nullopt, progress_);
    if (!table) return false;
    evidence_.basis.trials = std::move(*table);
  } catch (const std::exception& error) {
    const std::optional<Error> memory = tensor::out_of_memory(error);
    const Error* const known = dynamic_cast<const Error*>(&error);
    if (!memory && known == nullptr) throw;
    // All ranks see a trial diverge. What one of them fails at leaves the others waiting.
    if (request_.ranks != nullptr && (memory || known->kind() != ErrorKind::kBadModel)) throw;
    core::log_warning(std::string("no trials: ") + (memory ? memory->what() : error.what()));
  }
  return true;
}

bool Planning::needs_timing() const {
  return request_.need == EvidenceNeed::kAll || !types::is_settled(limits_.rule) ||
         limits_.stages > 1 || limits_.max_memory_bytes || !request_.budget.deterministic();
}

double Planning::spent_seconds() const {
  return request_.spent_seconds ? request_.spent_seconds() : core::process_seconds();
}

void check_affordable(const types::FreezePlan& plan) {
  if (!plan.smallest_budget) return;
  throw Error(ErrorKind::kBudget,
      "the budget of " + types::format_budget(plan.budget) + " is too small: " + plan.reason +
          ". The smallest budget that works is " + types::format_budget(*plan.smallest_budget) +
          "; a smaller --min-steps or --batch-tokens makes it smaller");
}

}  // namespace salf::app
