#include "commands/plan.h"

#include <algorithm>
#include <cstdio>

#include "app/document_losses.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/signals.h"
#include "output_file.h"
#include "text/plan_text.h"
#include "types/validate.h"

namespace salf::tools {

std::vector<std::string> PlanOptions::problems() const {
  std::vector<std::string> problems = planning.problems();
  for (auto& problem : lora.problems(planning, model.adapter))
    problems.push_back(std::move(problem));
  if (profile.empty())
    problems.emplace_back("--profile FILE is needed: profile.json of salf analyze");
  if (output.empty()) problems.emplace_back("--output needs a file name");
  return problems;
}

namespace {

// Evaluated for the level of the predicted losses: a run evaluates the whole dev split anyway, a
// plan alone need not.
constexpr std::int64_t kDocumentsBefore = 64;

}  // namespace

int plan_command(const PlanOptions& given, core::Progress& progress) {
  PlanOptions options = given;
  check_output_file(options.output, types::FreezePlan::kSchema, options.common.force);
  const app::EnergyWatch energy(
      options.planning.rates, options.model, options.planning.parsed_budget());
  const types::LayerProfile profile = types::read_profile(options.profile);
  if (options.model.model.empty()) options.model.model = profile.provenance.model;
  if (options.data.data.empty() && profile.provenance.data == "-") {
    throw Error(ErrorKind::kUsage,
        "--data FILE is needed: the profile's rows came from standard input, which cannot "
        "be read again");
  }
  if (options.data.data.empty()) options.data.data = profile.provenance.data;
  app::ModelSession session = app::open_model(options.model, true, app::AdapterUse::kKeep);
  const data::Dataset dataset = app::open_data(options.data, session, options.batch, progress);
  app::check_made_for(profile.provenance, session, dataset, options.profile);
  app::PlanRequest request;
  request.planning = options.planning;
  request.batch = options.batch;
  request.seed = static_cast<std::uint64_t>(options.model.seed);
  request.dtype = options.model.dtype;
  request.scratch = folder_of(options.output);
  request.lora =
      app::start_lora(options.lora.settings(), options.model.adapter, session, request.seed);
  if (request.lora) session.graph = session.graph->with_lora(request.lora->branches);
  request.beside = app::lora_beside(
      options.lora, options.planning, options.model.adapter, session, request.seed);
  const core::Stopwatch watch;
  const app::MethodCosts costs = app::time_methods(session, dataset, request, energy, progress);
  request.spent_seconds = profile.seconds + watch.seconds();
  types::FreezePlan plan = app::make_run_plan(session, dataset, profile, request, costs, energy);
  if (!plan.smallest_budget && plan.data.dev_documents > 1) {
    const std::vector<std::int64_t> dev =
        app::dev_documents(dataset, std::min(kDocumentsBefore, plan.data.dev_documents));
    const auto before =
        app::measure_losses(session, dataset, dev, request.batch, request.dtype, progress);
    if (!before) return 128 + core::stop_signal();
    request.before = app::loss_before(*before);
    plan = app::make_run_plan(session, dataset, profile, request, costs, energy);
  }
  core::write_document(options.output, plan);
  if (options.common.json) {
    std::fputs(core::format_json(core::to_json(plan)).c_str(), stdout);
  } else {
    std::fputs((plan_summary(plan) + "\n" + plan_table(plan)).c_str(), stdout);
  }
  app::check_affordable(plan);
  return 0;
}

}  // namespace salf::tools
