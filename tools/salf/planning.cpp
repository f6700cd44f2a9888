#include "planning.h"

#include <algorithm>
#include <cstdio>

#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/log.h"
#include "salf/core/text.h"
#include "salf/cost/estimate.h"
#include "salf/train/probe.h"
#include "salf/types/budget.h"

namespace salf::tools {
namespace {

// Rows of a batcher as the cost model sees them.
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
  shape.mean_length = shape.padded_tokens > 0 ? weighted / static_cast<double>(shape.padded_tokens) : 0.0;
}

void add_dev_shape(const data::Batcher& batcher, std::int64_t documents, types::DataShape& shape) {
  shape.dev_documents = documents;
  shape.dev_padded_tokens = 0;
  for (const auto& batch : batcher.in_order()) {
    shape.dev_padded_tokens += static_cast<std::int64_t>(batch.rows.size()) * batch.length;
  }
  shape.dev_supervised_tokens = batcher.supervised_tokens();
}

double analysis_flops(const types::LayerProfile& profile, double row_length) {
  double positions = 0.0;
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == types::Measure::kLoss) positions = static_cast<double>(deviation.positions);
  }
  const double spaces = static_cast<double>(profile.shape.blocks + 1);
  return cost::evaluation_flops(profile.shape, {static_cast<double>(profile.tokens), positions * spaces, row_length});
}

std::string line(const char* name, const std::string& value) {
  std::string text = name;
  text.resize(16, ' ');
  return text + value + "\n";
}

std::string wrapped(const char* name, const std::string& value, std::size_t width) {
  constexpr std::size_t kNameWidth = 16;
  const std::size_t room = std::max<std::size_t>(width, 40) - kNameWidth - 2;
  std::string text;
  std::string rest = value;
  while (rest.size() > room) {
    const std::size_t space = rest.rfind(' ', room);
    const std::size_t cut = space == std::string::npos ? room : space;
    text += line(text.empty() ? name : "", rest.substr(0, cut));
    rest = rest.substr(std::min(rest.size(), cut + 1));
  }
  return text + line(text.empty() ? name : "", rest);
}

}  // namespace

std::vector<std::string> PlanningOptions::problems() const {
  std::vector<std::string> problems;
  if (eof && rule != types::Rule::kBudget && rule != types::Rule::kFixed) {
    problems.push_back("--eof " + std::to_string(*eof) + " contradicts --rule " + core::enum_to_string(rule));
  }
  if (!eof && rule == types::Rule::kFixed) problems.emplace_back("--rule fixed needs --eof N");
  try {
    parsed_budget();
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

types::Budget PlanningOptions::parsed_budget() const {
  if (budget.empty()) return {max_epochs, types::BudgetUnit::kEpochs};
  return types::parse_budget(budget);
}

std::vector<std::int64_t> dev_documents(const data::Dataset& dataset, std::int64_t count, std::uint64_t seed) {
  return data::sample_documents(dataset, data::Split::kDev, count, seed);
}

types::FreezePlan make_run_plan(const ModelSession& session, const data::Dataset& dataset,
                                const types::LayerProfile& profile, const PlanRequest& request,
                                core::Progress& progress) {
  const core::Stopwatch watch;
  const std::int64_t padding = session.tokenizer->padding_id().value_or(0);
  const auto train_rows = dataset.indices(data::Split::kTrain);
  const data::Batcher batcher(dataset, train_rows, request.batch, padding);
  policy::PlanInputs inputs;
  inputs.budget = request.planning.parsed_budget();
  train::ProbeOptions probe;
  probe.seed = request.seed;
  probe.autocast = autocast_type(request.dtype, session.device);
  if (!inputs.budget.deterministic()) probe.seconds = std::min(probe.seconds, 0.03 * inputs.budget.amount);
  const train::ProbeResult timed = train::measure_cost(*session.model, *session.cut, batcher, probe, progress);
  inputs.cost = timed.cost;
  inputs.data.documents = static_cast<std::int64_t>(train_rows.size());
  add_training_shape(batcher, request.seed, inputs.data);
  std::vector<std::int64_t> dev = dataset.indices(data::Split::kDev);
  if (!dev.empty()) {
    add_dev_shape(data::Batcher(dataset, dev, request.batch, padding), static_cast<std::int64_t>(dev.size()), inputs.data);
    if (!inputs.budget.deterministic()) {
      const double seconds = cost::evaluation_seconds(inputs.cost, profile.shape.blocks, cost::dev_batch(inputs.data));
      const std::int64_t affordable = policy::affordable_dev_documents(
          inputs.data.dev_documents, seconds / static_cast<double>(inputs.data.dev_documents), inputs.budget.amount);
      dev = dev_documents(dataset, affordable, request.seed);
      add_dev_shape(data::Batcher(dataset, dev, request.batch, padding), static_cast<std::int64_t>(dev.size()), inputs.data);
    }
  }
  inputs.rule = request.planning.eof ? types::Rule::kFixed : request.planning.rule;
  inputs.measure = request.planning.measure;
  inputs.parameters.tau = request.planning.tau;
  inputs.parameters.fixed = request.planning.eof.value_or(0);
  inputs.parameters.fraction = request.planning.fraction;
  inputs.min_steps = request.planning.min_steps;
  inputs.max_epochs = request.planning.max_epochs;
  inputs.batch_tokens = request.batch.batch_tokens;
  inputs.pack = request.batch.pack;
  inputs.accumulate = request.planning.accumulate;
  inputs.cache = request.cache;
  inputs.learning_rate = request.planning.learning_rate;
  inputs.spent_seconds = request.spent_seconds + watch.seconds();
  inputs.spent_flops = analysis_flops(profile, inputs.data.mean_length);
  types::FreezePlan plan = policy::make_plan(profile, inputs);
  plan.provenance.created = core::utc_now();
  return plan;
}

void check_affordable(const types::FreezePlan& plan) {
  if (!plan.smallest_budget) return;
  throw Error(ErrorKind::kBudget, "the budget of " + types::format_budget(plan.budget) + " is too small: " + plan.reason +
                                      ". The smallest budget that works is " + types::format_budget(*plan.smallest_budget) +
                                      "; a smaller --min-steps or --batch-tokens makes it smaller");
}

void check_made_for(const types::Provenance& made, const ModelSession& session, const data::Dataset& dataset,
                    const std::string& file) {
  const auto differs = [&file](const char* what) {
    throw Error(ErrorKind::kUsage, file + ": was made for another " + what + "; make it again with salf analyze and salf plan");
  };
  if (made.model_hash != session.weights_hash) differs("model");
  if (made.data_hash != dataset.hash) differs("data file");
  if (made.tokenizer_hash != session.tokenizer->hash()) differs("tokenizer");
}

std::string describe_plan(const types::FreezePlan& plan, std::size_t width) {
  const double seconds = plan.predicted_seconds.total();
  std::string text = wrapped("cut", core::printable(plan.reason, 2000), width);
  const auto add = [&](const char* name, const std::string& value) { text += wrapped(name, value, width); };
  add("trained", core::format_count(plan.shape.trained_parameters(plan.eof)) + " of " +
                              core::format_count(plan.shape.parameters) + " parameters");
  text += line("budget", types::format_budget(plan.budget));
  add("steps", core::format_count(plan.steps) + " (" + core::format_number(plan.epochs, 3) + " epochs, " +
                            core::format_count(plan.tokens) + " tokens), learning rate " +
                            core::format_number(plan.learning_rate, 3));
  add("predicted", core::format_seconds(seconds) + ", " +
                                core::format_flops(plan.predicted_flops.total()));
  const double step = plan.candidates[static_cast<std::size_t>(plan.eof)].step_seconds;
  if (step > 0.0) {
    add("a step", core::format_number(step, 3) + " s, full fine-tuning " +
                               core::format_number(plan.full_step_seconds, 3) + " s (" +
                               core::format_number(plan.full_step_seconds / step, 3) + " times)");
  }
  return text;
}

c10::ScalarType autocast_type(DataType dtype, c10::Device device) {
  return dtype == DataType::kBFloat16 && device.is_cuda() ? c10::ScalarType::BFloat16 : c10::ScalarType::Float;
}

}  // namespace salf::tools
