// metrics.jsonl: one line a step and one an evaluation, on disk as soon as it is known.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "salf/types/run_record.h"

namespace salf::train {

struct StepMetrics {
  std::int64_t step = 0;               // from 1
  std::int64_t epoch = 0;              // from 0
  std::int64_t tokens = 0;             // cumulative
  std::int64_t supervised_tokens = 0;  // cumulative
  double seconds = 0.0;
  double loss = 0.0;
  double learning_rate = 0.0;
  double budget_spent = 0.0;  // share 0 … 1
};

class MetricsFile {
 public:
  // A new run: an earlier file is replaced.
  // A resumed one: lines of steps beyond `step`, evaluations beyond the first `evaluations`, and a
  // half-written last line are dropped. Throws Error(kIo).
  static MetricsFile start(const std::filesystem::path& path);
  static MetricsFile resume(const std::filesystem::path& path, std::int64_t step,
                            std::int64_t evaluations);

  void write(const StepMetrics& metrics);
  void write(const types::DevEvaluation& evaluation);

 private:
  MetricsFile(std::filesystem::path path, std::ios::openmode mode);
  void write_line(const std::string& line);

  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace salf::train
