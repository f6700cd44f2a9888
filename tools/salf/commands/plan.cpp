#include "commands/plan.h"

#include <cstdio>
#include <optional>
#include <utility>

#include "app/planning/planning.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
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

// Model and data that are not given are those of the profile.
PlanOptions completed(PlanOptions options, const types::Provenance& made) {
  if (options.model.model.empty()) options.model.model = made.model;
  if (options.data.data.empty() && made.data == "-") {
    throw Error(ErrorKind::kUsage,
        "--data FILE is needed: the profile's rows came from standard input, which cannot "
        "be read again");
  }
  if (options.data.data.empty()) options.data.data = made.data;
  return options;
}

app::PlanningRequest request_of(const PlanOptions& options, app::Session& session) {
  app::PlanningRequest request;
  request.options = options.planning;
  request.budget = options.planning.parsed_budget();
  request.profile = options.profile;
  request.lora = app::start_lora(options.lora.settings(), session);
  if (request.lora) session.graph = session.graph->with_lora(request.lora->branches);
  if (options.lora.beside(options.planning, options.model.adapter))
    request.beside = app::usual_lora(session);
  request.batches = {options.batch.batch_tokens, options.batch.pack, options.planning.accumulate};
  request.scratch = core::folder_of(options.output);
  request.dev_loss = app::DevLoss::kSample;
  return request;
}

}  // namespace

int plan_command(const PlanOptions& given, core::Progress& progress) {
  check_output_file(given.output, types::FreezePlan::kSchema, given.common.force);
  const app::EnergyWatch energy(given.planning.rates, given.model, given.planning.parsed_budget());
  const types::LayerProfile profile = types::read_profile(given.profile);
  const PlanOptions options = completed(given, profile.provenance);
  app::Session session = app::open_model(options.model, true, app::AdapterUse::kKeep);
  app::open_data(session, options.data, options.batch, progress);
  app::PlanningRequest request = request_of(options, session);
  // A run spends the analysis and the timing, but not what this command does beside them.
  const core::Stopwatch watch;
  request.spent_seconds = [&, spent = std::optional<double>{}]() mutable {
    if (!spent) spent = profile.seconds + watch.seconds();
    return *spent;
  };
  const auto found = app::Planning(session, std::move(request), &energy, progress).plan();
  if (!found) return 128 + core::stop_signal();
  const types::FreezePlan& plan = *found;
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
