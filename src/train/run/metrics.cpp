#include "train/run/metrics.h"

#include <sstream>

#include "core/files.h"
#include "core/text.h"
#include "distributed/group.h"

namespace salf::train {
namespace {

// The lines of the run until then.
std::string kept_lines(const std::filesystem::path& path, const RunState& state) {
  std::string kept;
  if (!std::filesystem::exists(path)) return kept;
  std::istringstream lines(core::read_file(path));
  std::size_t seen = 0, number = 0;
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    const std::string where = path.string() + ", line " + std::to_string(++number);
    const core::Json json = core::parse_json(line, where);
    const core::Json* const at = core::find_member(json, "step");
    if (at == nullptr || !at->is_number_integer()) {
      throw Error(ErrorKind::kBadInput, where +
                                            ": expected a step's line, with its number as "
                                            "\"step\"; take the line out to resume");
    }
    const bool evaluation = json.contains("dev_loss");
    const bool keep =
        evaluation ? seen++ < state.evaluations.size() : at->get<std::int64_t>() <= state.step;
    if (keep) kept += line + "\n";
  }
  return kept;
}

}  // namespace

RunLog::RunLog(const TrainInputs& inputs, const Pacing& pacing, const RunState& state,
    core::Progress& progress)
    : inputs_(inputs), pacing_(pacing), progress_(progress),
      path_(inputs.run.where.folder / "metrics.jsonl"),
      writes_(inputs.run.ranks == nullptr || inputs.run.ranks->leads()) {
  if (!writes_) return;
  if (inputs.resume) core::write_file_atomically(path_, kept_lines(path_, state));
  stream_.open(path_, inputs.resume ? std::ios::app : std::ios::trunc);
  if (!stream_) throw Error(ErrorKind::kIo, path_.string() + ": cannot be written");
}

void RunLog::begin() {
  if (pacing_.pacer() != nullptr) {
    const double seconds = inputs_.run.what.plan.budget.clock_seconds();
    progress_.begin("training", static_cast<std::int64_t>(seconds), "seconds");
  } else {
    progress_.begin("training", pacing_.limit(), "steps");
  }
}

void RunLog::step(StepMetrics metrics, const RunState& state) {
  metrics.budget_spent = pacing_.budget_share(state);
  write({{"step", metrics.step}, {"epoch", metrics.epoch}, {"tokens", metrics.tokens},
      {"supervised_tokens", metrics.supervised_tokens}, {"seconds", metrics.seconds},
      {"loss", metrics.loss}, {"lr", metrics.learning_rate},
      {"budget_spent", metrics.budget_spent}});
  for (RunObserver* observer : inputs_.observers) observer->step(metrics);
  const std::string loss = "loss " + core::format_number(metrics.loss);
  if (pacing_.pacer() != nullptr) {
    progress_.update(static_cast<std::int64_t>(pacing_.spent()),
        "step " + std::to_string(metrics.step) + ", " + loss);
  } else {
    progress_.update(metrics.step, loss);
  }
}

void RunLog::evaluation(
    const types::DevEvaluation& evaluation, const std::vector<DocumentLoss>& documents) {
  write(
      {{"step", evaluation.step}, {"dev_loss", evaluation.loss}, {"seconds", evaluation.seconds}});
  for (RunObserver* observer : inputs_.observers) observer->evaluation(evaluation, documents);
}

void RunLog::write(const core::Json& line) {
  if (!writes_) return;
  stream_ << line.dump() << '\n' << std::flush;
  if (!stream_)
    throw Error(ErrorKind::kIo, path_.string() + ": cannot be written (is the disk full?)");
}

}  // namespace salf::train
