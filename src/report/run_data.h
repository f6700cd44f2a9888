// What is there to report on? A run directory (or one of its documents) as it lies on disk, read
// and checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "types/evaluation.h"
#include "types/freeze_plan.h"
#include "types/layer_profile.h"
#include "types/run_record.h"

namespace salf::report {

// A line of metrics.jsonl about a step (see train/trainer.h).
struct StepPoint {
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // cumulative
  double seconds = 0.0;
  double loss = 0.0;
  double learning_rate = 0.0;
  double budget_spent = 0.0;
};
// … and about an evaluation.
struct DevPoint {
  std::int64_t step = 0;
  double loss = 0.0;
};
struct Metrics {
  std::vector<StepPoint> steps;
  std::vector<DevPoint> evaluations;
};

// Each part is there if its file is. name: the directory's or file's, for people.
struct RunData {
  std::string name;
  std::string path;  // as given
  std::optional<types::RunRecord> run;
  std::optional<types::FreezePlan> plan;  // the run's, or a plan.json alone
  std::optional<types::LayerProfile> profile;
  std::optional<types::DevLosses> dev_losses;
  Metrics metrics;
};

// A run that has not ended is refused unless kAccept.
enum class Running { kRefuse, kAccept };

// `path`: a run directory, its run.json, or a profile.json or plan.json by itself; which of them a
// file is, its schema says. Throws Error(kIo) for what is missing, Error(kBadInput) for what is
// damaged, of a newer schema, or a run still being written.
RunData load_run(const std::filesystem::path& path, Running running);

// metrics.jsonl. A half-written last line is left out. Throws Error(kIo), Error(kBadInput) with
// file and line.
Metrics read_metrics(const std::filesystem::path& path);

}  // namespace salf::report
