// metrics.jsonl: one line a step and one an evaluation, on disk as soon as it is known.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "train/run/run_observer.h"
#include "types/run_record.h"

namespace salf::train {

class MetricsFile {
 public:
  // A new run: an earlier file is replaced.
  // A resumed one: lines of steps beyond `step`, evaluations beyond the first `evaluations`, and a
  // half-written last line are dropped. Throws Error(kIo), Error(kBadInput) for a line that is not
  // of a run.
  static MetricsFile start(const std::filesystem::path& path);
  static MetricsFile resume(
      const std::filesystem::path& path, std::int64_t step, std::int64_t evaluations);

  void write(const StepMetrics& metrics);
  void write(const types::DevEvaluation& evaluation);

 private:
  MetricsFile(std::filesystem::path path, std::ios::openmode mode);
  void write_line(const std::string& line);

  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace salf::train
