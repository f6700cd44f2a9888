#include "app/planning/pilot.h"
#include "commands/train.h"

namespace salf::tools {
namespace {

// Options other than those of the command line's surroundings that were given beside --resume or
// --replay.
std::vector<std::string> extra_options(const TrainCommandOptions& options) {
  core::Json given = core::to_json(options);
  const core::Json defaults = core::to_json(TrainCommandOptions{});
  for (const char* allowed :
      {"json", "force", "quiet", "resume", "replay", "output", "tensorboard", "metrics_port"})
    given.erase(allowed);
  std::vector<std::string> extra;
  for (const auto& [key, value] : given.items()) {
    if (!defaults.contains(key) || defaults[key] != value) extra.push_back(key);
  }
  return extra;
}

}  // namespace

std::vector<std::string> TrainCommandOptions::problems() const {
  std::vector<std::string> problems;
  const auto refuse = [&problems](bool wrong, const char* text) {
    if (wrong) problems.emplace_back(text);
  };
  if (!resume.empty() || !replay.empty()) {
    const bool output_given = output != TrainCommandOptions{}.output;
    refuse(!resume.empty() && !replay.empty(), "--resume and --replay exclude each other");
    refuse(
        !resume.empty() && output_given, "--resume goes on in its own folder: leave out --output");
    refuse(!replay.empty() && !output_given, "--replay needs --output DIR, a folder of its own");
    for (const auto& key : extra_options(*this)) {
      problems.push_back(
          "'" + key + "' cannot be changed: --resume and --replay take it from the run");
    }
    return problems;
  }
  problems = planning.problems();
  for (auto& problem : types::gate_problems(gates)) problems.push_back(std::move(problem));
  if (!pilot.empty()) {
    app::attempt(problems, [this] { app::pilot_share(pilot); });
    refuse(!plan.empty(), "--pilot plans for itself and for the whole: leave out --plan");
    refuse(train.keep_cache,
        "--pilot keeps no cache for later runs, which have other rows: leave out --keep-cache");
  }
  for (auto& problem : lora.problems(planning, model.adapter))
    problems.push_back(std::move(problem));
  refuse(!plan.empty() && lora.lora != app::LoraOptions{}.lora,
      "--plan says what is tuned: leave out --lora, or give it to salf plan");
  refuse(train.keep_cache && train.no_cache, "--keep-cache and --no-cache exclude each other");
  require_model(model.model, problems);
  require_data(data.data, "the documents to train on", problems);
  refuse(output.empty(), "--output needs a folder");
  refuse(
      !plan.empty() && !profile.empty(), "--plan already rests on a profile: leave out --profile");
  refuse(!calibration.basis_vocabulary.empty() && (!plan.empty() || !profile.empty()),
      "--basis-vocabulary belongs to the analysis, which --plan and --profile replace: give it to "
      "salf analyze");
  refuse(!plan.empty() && (!planning.budget.empty() || planning.cut),
      "--plan says the budget and the cut: leave out --budget and --eof");
  refuse(!plan.empty() && planning.stages != app::PlanningOptions{}.stages,
      "--plan says the stages: give --stages to salf plan");
  return problems;
}

}  // namespace salf::tools
