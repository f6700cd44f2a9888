#include "commands/train.h"

#include "app/training/shared_run.h"
#include "app/training/training.h"
#include "command_list.h"
#include "core/signals.h"
#include "run_observers.h"
#include "text/show_run.h"

namespace salf::tools {
namespace {

std::optional<types::RunRecord> observed(
    const app::TrainingRequest& request, core::Progress& progress) {
  const app::RunOptions& options = request.options;
  std::vector<std::unique_ptr<train::RunObserver>> observers;
  if (!app::leads(request.ranks)) return app::train(request, {}, progress);
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

namespace {

int run_rank(
    const TrainCommandOptions& given, distributed::Group* ranks, core::Progress& progress) {
  const bool restarted = ranks != nullptr && ranks->restarted();
  app::TrainingRequest request =
      restarted ? app::restarted_request(given) : app::training_request(given);
  request.replace = request.replace || given.common.force;
  request.ranks = ranks;
  const std::string& output = request.options.output;
  const auto record = observed(request, progress);
  if (!record) return 128 + core::stop_signal();
  if (app::leads(ranks))
    print_result(given.common, core::to_json(*record), run_summary(*record, output));
  if (record->status == types::RunStatus::kGateFailed)
    return static_cast<int>(ErrorKind::kRegression);
  if (record->status == types::RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadModel,
        "the loss was not finite after step " + std::to_string(record->steps) +
            ": the run has diverged. The best weights until then are in " +
            core::printable(output) + "; try a smaller --learning-rate");
  }
  return record->status == types::RunStatus::kInterrupted
             ? 128 + static_cast<int>(record->exit_signal)
             : 0;
}

}  // namespace

int run(const TrainCommandOptions& given, core::Progress& progress) {
  return run_on_ranks(given, progress, &run_rank);
}

Command train_command() {
  return make_command<TrainCommandOptions>(
      {"train", "Fine-tune within a budget: analyze, plan, train", {"model"},
          "Examples:\n  salf train smollm2 --data rows.jsonl --budget 2h -o run\n"
          "  torchrun --nproc-per-node 8 --no-python salf train smollm2 --data rows.jsonl -o run\n"
          "  salf train smollm2 --data rows.jsonl --eof 20 --budget 200steps -o run\n"
          "  salf train --resume run"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
