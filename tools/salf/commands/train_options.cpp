#include <utility>

#include "app/planning/pilot.h"
#include "commands/train.h"
#include "core/error.h"
#include "core/json.h"
#include "types/gate.h"

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

std::vector<std::string> pilot_problems(const TrainCommandOptions& options) {
  if (options.pilot.empty()) return {};
  std::vector<std::string> problems;
  try {
    app::pilot_share(options.pilot);
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  if (!options.plan.empty())
    problems.emplace_back("--pilot plans for itself and for the whole: leave out --plan");
  if (options.train.keep_cache)
    problems.emplace_back(
        "--pilot keeps no cache for later runs, which have other rows: leave out --keep-cache");
  return problems;
}

}  // namespace

std::vector<std::string> TrainCommandOptions::problems() const {
  std::vector<std::string> problems;
  if (!resume.empty() || !replay.empty()) {
    if (!resume.empty() && !replay.empty())
      problems.emplace_back("--resume and --replay exclude each other");
    const bool output_given = output != TrainCommandOptions{}.output;
    if (!resume.empty() && output_given)
      problems.emplace_back("--resume goes on in its own folder: leave out --output");
    if (!replay.empty() && !output_given)
      problems.emplace_back("--replay needs --output DIR, a folder of its own");
    for (const auto& key : extra_options(*this)) {
      problems.push_back(
          "'" + key + "' cannot be changed: --resume and --replay take it from the run");
    }
    return problems;
  }
  problems = planning.problems();
  for (auto& problem : types::gate_problems(gate)) problems.push_back(std::move(problem));
  for (auto& problem : pilot_problems(*this)) problems.push_back(std::move(problem));
  for (auto& problem : lora.problems(planning, model.adapter))
    problems.push_back(std::move(problem));
  if (!plan.empty() && lora.lora != app::LoraOptions{}.lora) {
    problems.emplace_back("--plan says what is tuned: leave out --lora, or give it to salf plan");
  }
  if (train.keep_cache && train.no_cache)
    problems.emplace_back("--keep-cache and --no-cache exclude each other");
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to train on");
  if (output.empty()) problems.emplace_back("--output needs a folder");
  if (!plan.empty() && !profile.empty())
    problems.emplace_back("--plan already rests on a profile: leave out --profile");
  if (!calibration.basis_vocabulary.empty() && (!plan.empty() || !profile.empty())) {
    problems.emplace_back(
        "--basis-vocabulary belongs to the analysis, which --plan and --profile replace: give it "
        "to salf analyze");
  }
  if (!plan.empty() && (!planning.budget.empty() || planning.cut)) {
    problems.emplace_back("--plan says the budget and the cut: leave out --budget and --eof");
  }
  if (!plan.empty() && planning.stages != app::PlanningOptions{}.stages) {
    problems.emplace_back("--plan says the stages: give --stages to salf plan");
  }
  return problems;
}

}  // namespace salf::tools
