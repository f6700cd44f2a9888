#include "app/training/training_request.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "app/planning/pilot.h"
#include "core/error.h"
#include "train/run/checkpoint.h"
#include "types/gate.h"
#include "types/validate.h"

namespace salf::app {
namespace {

// Options other than those of the command line's surroundings that were given beside --resume or
// --replay.
std::vector<std::string> extra_options(const RunOptions& options) {
  core::Json given = core::to_json(options);
  const core::Json defaults = core::to_json(RunOptions{});
  for (const char* allowed :
      {"resume", "replay", "output", "tensorboard", "metrics_port", "scratch"})
    given.erase(allowed);
  std::vector<std::string> extra;
  for (const auto& [key, value] : given.items()) {
    if (!defaults.contains(key) || defaults[key] != value) extra.push_back(key);
  }
  return extra;
}

std::optional<Origin> read_origin(const RunOptions& options) {
  if (options.resume.empty() && options.replay.empty()) return std::nullopt;
  if (options.resume.empty()) return Origin{options.replay, types::read_run(options.replay), false};
  const auto refuse = [&options](const std::string& reason) {
    throw Error(ErrorKind::kUsage, options.resume + ": " + reason);
  };
  const std::filesystem::path file = std::filesystem::path(options.resume) / "run.json";
  if (!std::filesystem::exists(file)) refuse("no run to resume: there is no run.json in it");
  Origin origin{file.string(), types::read_run(file), true};
  const types::RunStatus status = origin.record.status;
  if (status != types::RunStatus::kRunning && status != types::RunStatus::kInterrupted)
    refuse("this run has ended (" + core::enum_to_string(status) + "); there is nothing to resume");
  const core::Json* const data = core::find_member(origin.record.options, "data");
  if (data != nullptr &&
      (*data == "-" || std::find(data->begin(), data->end(), "-") != data->end()))
    refuse(
        "this run's rows came from standard input (--data -), which cannot be read again: a run "
        "that may be interrupted needs its rows in a file");
  return origin;
}

// The options of the origin's record, with the surroundings of the given ones.
RunOptions options_of(const Origin& origin, const RunOptions& given) {
  core::Json record = origin.record.options;
  for (const char* option : {"json", "force", "quiet"}) record.erase(option);
  RunOptions options;
  core::from_json(record, origin.file + ".options", options);
  options.output = origin.resumed ? given.resume : given.output;
  options.tensorboard = given.tensorboard;
  options.metrics_port = given.metrics_port;
  options.scratch = given.scratch;
  return options;
}

// As run.json keeps them: what a resumed run must find unchanged, and a replay repeats. Those that
// say how a command prints stand first.
core::Json recorded(RunOptions options) {
  options.resume.clear();
  options.replay.clear();
  options.tensorboard.clear();
  options.metrics_port.reset();
  options.scratch.clear();
  options.output = RunOptions{}.output;
  core::Json record = {{"json", false}, {"force", false}, {"quiet", false}};
  record.update(core::to_json(options));
  return record;
}

}  // namespace

std::vector<std::string> RunOptions::problems() const {
  std::vector<std::string> problems;
  const auto refuse = [&problems](bool wrong, const char* text) {
    if (wrong) problems.emplace_back(text);
  };
  if (!resume.empty() || !replay.empty()) {
    const bool output_given = output != RunOptions{}.output;
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
    attempt(problems, [this] { pilot_share(pilot); });
    refuse(!plan.empty(), "--pilot plans for itself and for the whole: leave out --plan");
    refuse(train.keep_cache,
        "--pilot keeps no cache for later runs, which have other rows: leave out --keep-cache");
  }
  for (auto& problem : lora.problems(planning, model.adapter))
    problems.push_back(std::move(problem));
  refuse(!plan.empty() && lora.lora != LoraOptions{}.lora,
      "--plan says what is tuned: leave out --lora, or give it to salf plan");
  refuse(train.keep_cache && train.no_cache, "--keep-cache and --no-cache exclude each other");
  refuse(
      model.model.empty(), "a model is needed: a model directory, a run directory or an archive");
  refuse(data.data.empty(), "--data FILE is needed: the documents to train on");
  refuse(output.empty(), "--output needs a folder");
  refuse(
      !plan.empty() && !profile.empty(), "--plan already rests on a profile: leave out --profile");
  refuse(!calibration.basis_vocabulary.empty() && (!plan.empty() || !profile.empty()),
      "--basis-vocabulary belongs to the analysis, which --plan and --profile replace: give it to "
      "salf analyze");
  refuse(!plan.empty() && (!planning.budget.empty() || planning.cut),
      "--plan says the budget and the cut: leave out --budget and --eof");
  refuse(!plan.empty() && full_evidence,
      "--plan already rests on its evidence: leave out --full-evidence");
  refuse(!plan.empty() && planning.stages != PlanningOptions{}.stages,
      "--plan says the stages: give --stages to salf plan");
  return problems;
}

TrainingRequest training_request(const RunOptions& given) {
  TrainingRequest request;
  request.origin = read_origin(given);
  request.options = request.origin ? options_of(*request.origin, given) : given;
  request.recorded = recorded(request.options);
  if (!request.origin && !request.options.plan.empty())
    request.plan = types::read_plan(request.options.plan);
  return request;
}

TrainingRequest restarted_request(const RunOptions& given) {
  const std::filesystem::path folder = given.output;
  const bool named = !given.resume.empty() || !given.replay.empty();
  if (named || !std::filesystem::exists(folder / "run.json")) return training_request(given);
  const bool own = types::read_run(folder / "run.json").options == recorded(given);
  if (own && train::read_latest_checkpoint(folder)) {
    RunOptions resumed;
    resumed.resume = given.output;
    resumed.tensorboard = given.tensorboard;
    resumed.metrics_port = given.metrics_port;
    resumed.scratch = given.scratch;
    return training_request(resumed);
  }
  TrainingRequest request = training_request(given);
  request.replace = own;
  return request;
}

}  // namespace salf::app
