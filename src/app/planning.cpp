#include "app/planning.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "cost/money.h"
#include "train/timing.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::app {
namespace {

// Of the documents of a short run so many are measured at least, and so many batches timed.
constexpr double kFewestMeasured = 16.0;
constexpr double kFewestTimed = 3.0;  // the median of two follows a slow one
// Measuring a document takes this share of the seconds of training on it.
constexpr double kMeasuringShare = 0.5;

void add_dev_shape(const data::Batcher& batcher, std::int64_t documents, types::DataShape& shape) {
  shape.dev_documents = documents;
  shape.dev_padded_tokens = 0;
  for (const auto& batch : batcher.in_order()) {
    shape.dev_padded_tokens += static_cast<std::int64_t>(batch.rows.size()) * batch.length;
  }
  shape.dev_supervised_tokens = batcher.supervised_tokens();
}

std::optional<types::TrialTable> given_trials(
    const std::string& file, const ModelSession& session, const data::Dataset& dataset) {
  if (file.empty()) return std::nullopt;
  types::TrialTable trials = types::read_trials(file);
  check_made_for(trials.provenance, session, dataset, file);
  return trials;
}

double analysis_flops(const types::LayerProfile& profile, double row_length) {
  double positions = 0.0;
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == types::Measure::kLoss)
      positions = static_cast<double>(deviation.positions);
  }
  positions *= static_cast<double>(profile.shape.blocks + 1);
  if (profile.loss_before) positions += static_cast<double>(profile.loss_before->positions);
  return cost::evaluation_flops(
      profile.shape, {static_cast<double>(profile.tokens), positions, row_length});
}

}  // namespace

std::vector<std::string> PlanningOptions::problems() const {
  std::vector<std::string> problems;
  if (cut && rule != PlanningOptions{}.rule && rule != types::Rule::kFixed) {
    problems.push_back(
        "--eof " + std::to_string(*cut) + " contradicts --rule " + core::enum_to_string(rule));
  }
  if (!cut && rule == types::Rule::kFixed) problems.emplace_back("--rule fixed needs --eof N");
  const auto attempt = [&problems](const auto& parse) {
    try {
      parse();
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
  };
  if (!trials.empty() && (cut || rule != types::Rule::kPredicted)) {
    problems.emplace_back(
        "--trials serves the prediction, which does not choose here: leave out --eof and --rule");
  }
  attempt([this] { parsed_budget(); });
  if (!max_memory.empty()) attempt([this] { types::parse_bytes(max_memory); });
  if (max_loss_increase && (cut || rule != types::Rule::kPredicted)) {
    problems.emplace_back("--max-loss-increase chooses the cut itself: leave out --eof and --rule");
  }
  for (auto& problem : rates.problems()) problems.push_back(std::move(problem));
  return problems;
}

types::Budget PlanningOptions::parsed_budget() const {
  if (budget.empty()) return {max_epochs, types::BudgetUnit::kEpochs};
  return types::parse_budget(budget);
}

void add_training_shape(const data::Batcher& batcher, std::uint64_t seed, types::DataShape& shape) {
  double weighted = 0.0;
  for (const auto& batch : batcher.epoch(seed, 0)) {
    const std::int64_t padded = static_cast<std::int64_t>(batch.rows.size()) * batch.length;
    ++shape.batches;
    shape.padded_tokens += padded;
    weighted += static_cast<double>(padded) * static_cast<double>(batch.length);
  }
  shape.real_tokens = batcher.real_tokens();
  shape.supervised_tokens = batcher.supervised_tokens();
  shape.mean_length =
      shape.padded_tokens > 0 ? weighted / static_cast<double>(shape.padded_tokens) : 0.0;
}

std::vector<std::int64_t> dev_documents(const data::Dataset& dataset, std::int64_t count) {
  constexpr std::uint64_t kSeed = 1;
  return data::sample_documents(dataset, data::Split::kDev, count, kSeed);
}

data::Batcher train_batcher(
    const ModelSession& session, const data::Dataset& dataset, const data::BatchOptions& options) {
  return {dataset, dataset.indices(data::Split::kTrain), options,
      session.tokenizer->padding_id().value_or(0)};
}

std::optional<double> counted_epochs(
    const PlanningOptions& planning, const data::Batcher& train_rows) {
  if (train_rows.rows() == 0) return std::nullopt;
  const types::Budget budget = planning.parsed_budget();
  switch (budget.unit) {
    case types::BudgetUnit::kSteps:
      return budget.amount * static_cast<double>(planning.accumulate) /
             static_cast<double>(train_rows.in_order().size());
    case types::BudgetUnit::kTokens:
      return budget.amount / static_cast<double>(train_rows.real_tokens());
    case types::BudgetUnit::kEpochs: return budget.amount;
    default: return std::nullopt;
  }
}

calibration::CalibrationOptions short_calibration(
    calibration::CalibrationOptions asked, std::optional<double> trained_documents) {
  asked.stability = 0.0;
  if (!trained_documents || asked.documents != calibration::CalibrationOptions{}.documents)
    return asked;
  const double share = kProfileShare / kMeasuringShare * *trained_documents;
  asked.documents =
      std::llround(std::clamp(share, kFewestMeasured, static_cast<double>(asked.documents)));
  return asked;
}

MethodCosts time_methods(const ModelSession& session, const data::Dataset& dataset,
    const PlanRequest& request, const EnergyWatch& energy, core::Progress& progress) {
  const types::Budget budget = request.planning.parsed_budget();
  const double share = timing_share(request.beside.has_value());
  const data::Batcher batcher = train_batcher(session, dataset, request.batch);
  train::TimingOptions timing;
  timing.cut = wanted_cut(request.lora, request.planning.cut).value_or(0);
  if (const auto epochs = counted_epochs(request.planning, batcher)) {
    const double allowed = share * *epochs * static_cast<double>(batcher.in_order().size());
    timing.batches =
        std::llround(std::clamp(allowed, kFewestTimed, static_cast<double>(timing.batches)));
  }
  timing.seed = request.seed;
  timing.scratch = request.scratch;
  timing.autocast = autocast_type(request.dtype, session.device);
  if (!budget.deterministic())
    timing.seconds = std::min(timing.seconds, share * cost::budget_seconds(budget, energy.rates()));
  const policy::Prior prior = policy::read_prior(request.planning.prior);
  timing.gradients = prior.level && prior.level->fits(session.shape());
  const train::Timing timed =
      train::time_steps(*session.model, *session.graph, batcher, timing, progress);
  MethodCosts costs{timed.cost, std::nullopt, timed.gradient_agreement};
  if (!request.beside) return costs;
  const model::GraphCut beside = session.graph->with_lora(request.beside->branches);
  timing.scratch.clear();
  costs.beside = train::time_steps(*session.model, beside, batcher, timing, progress).cost;
  costs.beside->save = costs.cost.save;
  return costs;
}

types::FreezePlan make_run_plan(const ModelSession& session, const data::Dataset& dataset,
    const types::LayerProfile& given, const PlanRequest& request, const MethodCosts& costs,
    const EnergyWatch& energy) {
  types::LayerProfile profile = given;
  if (request.lora)
    profile.shape.block_trained_parameters = trained_of_blocks(profile.shape, *request.lora);
  if (request.before) profile.loss_before = request.before;
  const std::optional<std::int64_t> cut = wanted_cut(request.lora, request.planning.cut);
  const types::Rates rates = energy.rates();
  const double clock_seconds = cost::budget_seconds(request.planning.parsed_budget(), rates);
  const std::int64_t padding = session.tokenizer->padding_id().value_or(0);
  const data::Batcher batcher = train_batcher(session, dataset, request.batch);
  policy::PlanInputs inputs;
  inputs.budget = request.planning.parsed_budget();
  inputs.cost = costs.cost;
  if (request.beside && costs.beside) {
    inputs.lora = policy::LoraMethod{
        request.beside->settings, trained_of_blocks(profile.shape, *request.beside), *costs.beside};
  }
  inputs.data.documents = static_cast<std::int64_t>(dataset.indices(data::Split::kTrain).size());
  add_training_shape(batcher, request.seed, inputs.data);
  std::vector<std::int64_t> dev = dataset.indices(data::Split::kDev);
  if (!dev.empty()) {
    add_dev_shape(data::Batcher(dataset, dev, request.batch, padding),
        static_cast<std::int64_t>(dev.size()), inputs.data);
    if (!inputs.budget.deterministic()) {
      const double seconds =
          cost::evaluation_seconds(inputs.cost, profile.shape.blocks, cost::dev_batch(inputs.data));
      const std::int64_t affordable = policy::affordable_dev_documents(inputs.data.dev_documents,
          seconds / static_cast<double>(inputs.data.dev_documents), clock_seconds);
      const bool done = request.first_evaluation == policy::FirstEvaluation::kDone;
      dev = dev_documents(dataset, done ? request.evaluated : affordable);
      add_dev_shape(data::Batcher(dataset, dev, request.batch, padding),
          static_cast<std::int64_t>(dev.size()), inputs.data);
    }
  }
  inputs.rule = cut ? types::Rule::kFixed : request.planning.rule;
  inputs.measure = request.planning.measure;
  inputs.parameters.tau = request.planning.tau;
  inputs.parameters.fixed = cut.value_or(0);
  inputs.parameters.fraction = request.planning.fraction;
  inputs.min_steps = request.planning.min_steps;
  inputs.max_epochs = request.planning.max_epochs;
  inputs.batch_tokens = request.batch.batch_tokens;
  inputs.pack = request.batch.pack;
  inputs.accumulate = request.planning.accumulate;
  inputs.cache = request.cache;
  inputs.learning_rate = request.planning.learning_rate;
  inputs.rates = rates;
  if (inputs.budget.unit != types::BudgetUnit::kSeconds) inputs.budget_seconds = clock_seconds;
  inputs.prior = policy::read_prior(request.planning.prior);
  inputs.trials =
      request.trials ? request.trials : given_trials(request.planning.trials, session, dataset);
  inputs.gradient_agreement = costs.gradient_agreement;
  inputs.recompute = request.recompute;
  if (!request.planning.max_memory.empty())
    inputs.max_memory_bytes = types::parse_bytes(request.planning.max_memory);
  inputs.stages = request.planning.stages;
  inputs.max_loss_increase = request.planning.max_loss_increase;
  inputs.spent_seconds = request.spent_seconds;
  inputs.spent_flops = analysis_flops(given, inputs.data.mean_length);
  inputs.first_evaluation = request.first_evaluation;
  if (inputs.first_evaluation == policy::FirstEvaluation::kDone)
    inputs.spent_flops += cost::evaluation_flops(profile.shape, cost::dev_batch(inputs.data));
  types::FreezePlan plan = policy::make_plan(profile, inputs);
  plan.provenance.created = core::utc_now();
  if (request.lora) plan.lora = request.lora->settings;
  return plan;
}

void check_room_for_analysis(const ModelSession& session, const data::Dataset& dataset,
    const types::Budget& budget, double budget_seconds, double spent_seconds,
    std::int64_t documents) {
  if (!budget.deterministic() && spent_seconds >= (1.0 - policy::kTimeMargin) * budget_seconds) {
    throw Error(ErrorKind::kBudget,
        "the budget of " + types::format_budget(budget) +
            " was over before anything was measured: " + core::format_seconds(spent_seconds) +
            " went by while model and data were read");
  }
  if (budget.unit != types::BudgetUnit::kFlops) return;
  double tokens = 0.0, squares = 0.0;
  for (const std::int64_t place : dataset.indices(data::Split::kTrain)) {
    const auto length =
        static_cast<double>(dataset.documents[static_cast<std::size_t>(place)].ids.size());
    tokens += length;
    squares += length * length;
  }
  const double all =
      static_cast<double>(std::max<std::size_t>(1, dataset.indices(data::Split::kTrain).size()));
  const double drawn = tokens * std::min(1.0, static_cast<double>(documents) / all);
  const double needed =
      cost::evaluation_flops(session.shape(), {drawn, 0.0, tokens > 0.0 ? squares / tokens : 0.0});
  if (needed < budget.amount) return;
  throw Error(ErrorKind::kBudget, "the budget of " + types::format_budget(budget) +
                                      " would be over with the analysis: measuring " +
                                      core::format_count(documents) + " documents takes about " +
                                      core::format_flops(needed) +
                                      "; a smaller --documents takes less");
}

void check_affordable(const types::FreezePlan& plan) {
  if (!plan.smallest_budget) return;
  throw Error(ErrorKind::kBudget,
      "the budget of " + types::format_budget(plan.budget) + " is too small: " + plan.reason +
          ". The smallest budget that works is " + types::format_budget(*plan.smallest_budget) +
          "; a smaller --min-steps or --batch-tokens makes it smaller");
}

void check_made_for(const types::Provenance& made, const ModelSession& session,
    const data::Dataset& dataset, const std::string& file) {
  const auto differs = [&file](const char* what) {
    throw Error(ErrorKind::kUsage, file + ": was made for another " + what +
                                       "; make it again with salf analyze and salf plan");
  };
  if (made.model_hash != session.weights_hash) differs("model");
  if (made.data_hash != dataset.hash) differs("data file");
  if (made.tokenizer_hash != session.tokenizer->hash()) differs("tokenizer");
}

c10::ScalarType autocast_type(DataType dtype, c10::Device device) {
  return dtype == DataType::kBFloat16 && device.is_cuda() ? c10::ScalarType::BFloat16
                                                          : c10::ScalarType::Float;
}

}  // namespace salf::app
