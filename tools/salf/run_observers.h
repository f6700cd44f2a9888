// Observers that pass a run's metrics on, to TensorBoard and to Prometheus.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>

#include "local_server.h"
#include "report/prometheus.h"
#include "report/tensorboard.h"
#include "train/run/run_observer.h"

namespace salf::tools {

// The file is made with the first metrics and begins at their step.
class TensorBoardObserver : public train::RunObserver {
 public:
  // Makes the folder. Throws Error(kIo).
  explicit TensorBoardObserver(std::filesystem::path folder);
  void step(const train::StepMetrics& metrics) override;
  void evaluation(const types::DevEvaluation& evaluation,
      const std::vector<train::DocumentLoss>& documents) override;

 private:
  report::EventFile& file(std::int64_t step);

  std::filesystem::path folder_;
  std::optional<report::EventFile> file_;
  std::int64_t tokens_ = -1;  // before the next step; -1: not known
};

// Serves http://127.0.0.1:PORT/metrics until it is destroyed. Throws Error(kIo) where the port is
// taken.
class MetricsServer : public train::RunObserver {
 public:
  // port 0: a free one, which the log tells.
  MetricsServer(std::int64_t port, const std::string& run);
  void step(const train::StepMetrics& metrics) override;
  void evaluation(const types::DevEvaluation& evaluation,
      const std::vector<train::DocumentLoss>& documents) override;

 private:
  std::mutex mutex_;
  report::LiveMetrics metrics_;
  std::int64_t tokens_ = -1;
  LocalServer server_;  // last: it ends first
};

}  // namespace salf::tools
