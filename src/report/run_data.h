// Reading a run directory, or one of its documents, for a report.
#pragma once

#include <filesystem>

#include "types/evaluation.h"
#include "types/generation.h"
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
// A line about an evaluation.
struct DevPoint {
  std::int64_t step = 0;
  double loss = 0.0;
};
struct Metrics {
  std::vector<StepPoint> steps;
  std::vector<DevPoint> evaluations;
};

// Each part is set if its file exists. `name` is that of the directory or file.
struct RunData {
  std::string name;
  std::string path;  // as given
  std::optional<types::RunRecord> run;
  std::optional<types::FreezePlan> plan;  // the run's, or a plan.json alone
  std::optional<types::LayerProfile> profile;
  std::optional<types::DevLosses> dev_losses;
  std::optional<types::RunAnswers> answers;
  Metrics metrics;
};

// The document behind `path`: the file itself, or run.json in a folder.
struct Document {
  std::filesystem::path file;
  std::string schema;  // "salf.run/1"; "" where it names none
};
// Throws Error(kIo) where nothing is there (`expected`: "a run directory, …"), Error(kBadInput).
Document find_document(const std::filesystem::path& path, const char* expected);

// Whether a run that has not ended is accepted.
enum class Running { kRefuse, kAccept };

// Reads a run directory, its run.json, or a profile.json or plan.json alone (told by the schema).
// Throws Error(kIo) for missing files, Error(kBadInput) for damaged documents, newer schemas and
// runs still being written.
RunData load_run(const std::filesystem::path& path, Running running);

// Reads metrics.jsonl without a half-written last line. Throws Error(kIo), Error(kBadInput) with
// file and line.
Metrics read_metrics(const std::filesystem::path& path);

}  // namespace salf::report
