// salf plan: chooses the cut that a budget pays for, and prices it. Writes plan.json also when the
// budget is too small (with the smallest that works) and ends with 6 then.
#include "app/planning/planning.h"
#include "app/session/lora_options.h"
#include "app/training/shared_run.h"
#include "command_list.h"
#include "core/files.h"
#include "core/signals.h"
#include "cost/scale.h"
#include "text/plan_text.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

struct PlanOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  app::PlanningOptions planning;
  app::LoraOptions lora;
  std::string profile;
  std::string output = "plan.json";
  cost::ScaleOptions scale;
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    app::PlanningOptions::fields(self.planning, visit);
    app::LoraOptions::fields(self.lora, visit);
    core::begin_group(visit, "Plan");
    visit(Field{"profile",
              "profile.json of salf analyze; \"\": the model and data that it names are used"}
              .common(),
        self.profile);
    visit(Field{"output", "file to write the plan to"}.common(), self.output);
    cost::ScaleOptions::fields(self.scale, visit);
    RankOptions::fields(self.ranks, visit);
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems = planning.problems();
    for (auto& problem : lora.problems(planning, model.adapter))
      problems.push_back(std::move(problem));
    for (auto& problem : scale.problems()) problems.push_back(std::move(problem));
    if (profile.empty())
      problems.emplace_back("--profile FILE is needed: profile.json of salf analyze");
    require_output(output, problems);
    return problems;
  }
};

// Model and data that are not given are those of the profile.
PlanOptions completed(PlanOptions options, const types::Provenance& made) {
  if (options.model.model.empty()) options.model.model = made.model;
  if (options.data.data.empty() && made.data == "-") {
    throw Error(ErrorKind::kUsage,
        "--data FILE is needed: the profile's rows came from standard input, which cannot "
        "be read again");
  }
  if (options.data.data.empty() && made.data.find(", ") != std::string::npos &&
      !std::filesystem::exists(made.data)) {
    throw Error(ErrorKind::kUsage,
        "--data FILE is needed: the profile's rows came from several files, " + made.data);
  }
  if (options.data.data.empty()) options.data.data = {made.data};
  return options;
}

// What --ranks asks for. Steps that ranks at hand timed say nothing of one machine by itself.
void add_scale(
    const cost::ScaleOptions& options, const distributed::Group* ranks, types::FreezePlan& plan) {
  if (options.ranks == 1) return;
  if (ranks != nullptr) {
    throw Error(ErrorKind::kUsage,
        "--ranks predicts machines that are not at hand, from the steps of one: start salf plan "
        "without torchrun, mpirun or srun");
  }
  plan.scale = cost::forecast(plan, options);
}

int run_rank(const PlanOptions& given, distributed::Group* ranks, core::Progress& progress) {
  const bool writes = app::leads(ranks);
  if (writes) check_output_file(given.output, types::FreezePlan::kSchema, given.common.force);
  app::EnergyWatch energy(given.planning.rates, given.model, given.planning.parsed_budget(), ranks);
  const types::LayerProfile profile = types::read_profile(given.profile);
  const PlanOptions options = completed(given, profile.provenance);
  app::Session session =
      app::open_model(options.model, true, app::AdapterUse::kKeep, /*scratch=*/{}, ranks);
  app::open_data(session, options.data, options.batch, progress, ranks);
  app::check_made_for(profile.provenance, session, options.profile);
  app::check_alike(ranks, session, core::to_json(options));
  app::PlanningRequest request =
      app::planning_request(options.planning, options.lora, profile, session);
  request.scratch = core::folder_of(options.output);
  app::share_among(ranks, request);
  app::choose_batch_size(session, request, progress);
  auto plan = app::Planning(session, std::move(request), &energy, progress).plan();
  if (!plan) return 128 + core::stop_signal();
  plan = app::plan_for(ranks, *std::move(plan));
  add_scale(options.scale, ranks, *plan);
  if (writes) {
    core::write_document(options.output, *plan);
    print_result(options.common, core::to_json(*plan),
        plan_summary(*plan) + "\n" + plan_table(*plan) + scale_table(*plan));
  }
  app::check_affordable(*plan);
  return 0;
}

int run(const PlanOptions& given, core::Progress& progress) {
  return run_on_ranks(given, progress, &run_rank);
}

}  // namespace

Command plan_command() {
  return make_command<PlanOptions>(
      {"plan", "Choose the cut and price it", {"model"},
          "Example:\n  salf plan smollm2 --data rows.jsonl --profile profile.json "
          "--budget 30m -o plan.json"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
