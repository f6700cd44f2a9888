#include "commands/train.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "app/training/training.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "run_observers.h"
#include "text/run_summary.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

std::string run_file(const std::string& folder) { return (fs::path(folder) / "run.json").string(); }

void refuse_standard_input(const app::Origin& origin, const TrainCommandOptions& given) {
  const core::Json* const data = core::find_member(origin.record.options, "data");
  if (given.resume.empty() || data == nullptr || *data != "-") return;
  throw Error(ErrorKind::kUsage,
      given.resume +
          ": this run's rows came from standard input (--data -), which cannot be "
          "read again: a run that may be interrupted needs its rows in a file");
}

std::optional<app::Origin> read_origin(const TrainCommandOptions& options) {
  if (options.resume.empty() && options.replay.empty()) return std::nullopt;
  app::Origin origin;
  origin.resumed = !options.resume.empty();
  origin.file = options.resume.empty() ? options.replay : run_file(options.resume);
  if (!options.resume.empty() && !fs::exists(origin.file)) {
    throw Error(
        ErrorKind::kUsage, options.resume + ": no run to resume: there is no run.json in it");
  }
  origin.record = types::read_run(origin.file);
  const types::RunStatus status = origin.record.status;
  const bool ended =
      status != types::RunStatus::kRunning && status != types::RunStatus::kInterrupted;
  if (!options.resume.empty() && ended) {
    throw Error(ErrorKind::kUsage, options.resume + ": this run has ended (" +
                                       core::enum_to_string(status) +
                                       "); there is nothing to resume");
  }
  refuse_standard_input(origin, options);
  return origin;
}

// The options of the origin's record, with those of the command line's surroundings.
TrainCommandOptions options_of(const app::Origin& origin, const TrainCommandOptions& given) {
  TrainCommandOptions options;
  core::from_json(origin.record.options, origin.file + ".options", options);
  options.common = given.common;
  options.output = origin.resumed ? given.resume : given.output;
  options.tensorboard = given.tensorboard;
  options.metrics_port = given.metrics_port;
  return options;
}

// As run.json keeps them: what a resumed run must find unchanged, and a replay repeats.
core::Json recorded(TrainCommandOptions options) {
  options.common = CommonOptions{};
  options.resume.clear();
  options.replay.clear();
  options.tensorboard.clear();
  options.metrics_port.reset();
  options.output = TrainCommandOptions{}.output;
  return core::to_json(options);
}

app::TrainingRequest request_of(
    const TrainCommandOptions& options, std::optional<app::Origin> origin) {
  return {options.model, options.frozen, options.data, options.batch, options.calibration,
      options.planning, options.lora, options.train, options.profile, options.plan, options.gate,
      options.pilot, options.output, options.common.force, recorded(options), std::move(origin)};
}

std::optional<types::RunRecord> run(
    const TrainCommandOptions& options, app::TrainingRequest request, core::Progress& progress) {
  std::vector<std::unique_ptr<train::RunObserver>> observers;
  if (!options.tensorboard.empty())
    observers.push_back(std::make_unique<TensorBoardObserver>(options.tensorboard));
  if (options.metrics_port)
    observers.push_back(std::make_unique<MetricsServer>(*options.metrics_port, options.output));
  std::vector<train::RunObserver*> watching;
  for (const auto& observer : observers) watching.push_back(observer.get());
  try {
    return app::train(request, watching, progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBudget || options.pilot.empty()) throw;
    throw Error(ErrorKind::kBudget,
        std::string(error.what()) +
            " (this is a pilot with its share of the budget: a larger --pilot or --budget gives "
            "it more)");
  }
}

}  // namespace

int train_command(const TrainCommandOptions& given, core::Progress& progress) {
  std::optional<app::Origin> origin = read_origin(given);
  const TrainCommandOptions options = origin ? options_of(*origin, given) : given;
  const auto record = run(options, request_of(options, std::move(origin)), progress);
  if (!record) return 128 + core::stop_signal();
  std::fputs((options.common.json ? core::format_json(core::to_json(*record))
                                  : run_summary(*record, options.output))
                 .c_str(),
      stdout);
  if (record->status == types::RunStatus::kGateFailed)
    return static_cast<int>(ErrorKind::kRegression);
  if (record->status == types::RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadModel,
        "the loss was not finite after step " + std::to_string(record->steps) +
            ": the run has diverged. The best weights until then are in " +
            core::printable(options.output) + "; try a smaller --learning-rate");
  }
  return record->status == types::RunStatus::kInterrupted
             ? 128 + static_cast<int>(record->exit_signal)
             : 0;
}

}  // namespace salf::tools
