#include "commands/train.h"

#include "command_list.h"
#include "core/signals.h"
#include "run_observers.h"
#include "text/show_run.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

std::optional<app::Origin> read_origin(const TrainCommandOptions& options) {
  if (options.resume.empty() && options.replay.empty()) return std::nullopt;
  if (options.resume.empty())
    return app::Origin{options.replay, types::read_run(options.replay), false};
  const auto refuse = [&options](const std::string& reason) {
    throw Error(ErrorKind::kUsage, options.resume + ": " + reason);
  };
  const std::filesystem::path file = std::filesystem::path(options.resume) / "run.json";
  if (!std::filesystem::exists(file)) refuse("no run to resume: there is no run.json in it");
  app::Origin origin{file.string(), types::read_run(file), true};
  const types::RunStatus status = origin.record.status;
  if (status != types::RunStatus::kRunning && status != types::RunStatus::kInterrupted)
    refuse("this run has ended (" + core::enum_to_string(status) + "); there is nothing to resume");
  const core::Json* const data = core::find_member(origin.record.options, "data");
  if (data != nullptr && *data == "-")
    refuse(
        "this run's rows came from standard input (--data -), which cannot be read again: a run "
        "that may be interrupted needs its rows in a file");
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

std::optional<types::RunRecord> observed(
    const TrainCommandOptions& options, core::Progress& progress) {
  std::vector<std::unique_ptr<train::RunObserver>> observers;
  if (!options.tensorboard.empty())
    observers.push_back(std::make_unique<TensorBoardObserver>(options.tensorboard));
  if (options.metrics_port)
    observers.push_back(std::make_unique<MetricsServer>(*options.metrics_port, options.output));
  std::vector<train::RunObserver*> watching;
  for (const auto& observer : observers) watching.push_back(observer.get());
  try {
    return app::train(options, watching, progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBudget || options.pilot.empty()) throw;
    throw Error(ErrorKind::kBudget,
        std::string(error.what()) +
            " (this is a pilot with its share of the budget: a larger --pilot or --budget gives "
            "it more)");
  }
}

}  // namespace

int run(const TrainCommandOptions& given, core::Progress& progress) {
  std::optional<app::Origin> origin = read_origin(given);
  TrainCommandOptions options = origin ? options_of(*origin, given) : given;
  options.folder = options.output;
  options.replace = options.common.force;
  options.recorded = recorded(options);
  options.origin = std::move(origin);
  const auto record = observed(options, progress);
  if (!record) return 128 + core::stop_signal();
  print_result(options.common, core::to_json(*record), run_summary(*record, options.output));
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

Command train_command() {
  return make_command<TrainCommandOptions>(
      {"train", "Fine-tune within a budget: analyze, plan, train", {"model"},
          "Examples:\n  salf train smollm2 --data rows.jsonl --budget 2h -o run\n"
          "  salf train smollm2 --data rows.jsonl --eof 20 --budget 200steps -o run\n"
          "  salf train --resume run"},
      &run);
}

}  // namespace salf::tools
