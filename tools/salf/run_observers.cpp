#include "run_observers.h"

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "core/log.h"

namespace salf::tools {
namespace {

// Of one step; nothing where the tokens before it are not known (the first step of a resumed run).
std::optional<double> throughput(const train::StepMetrics& metrics, std::int64_t before) {
  const bool known = before >= 0 || metrics.step == 1;
  if (!known || metrics.seconds <= 0.0) return std::nullopt;
  return static_cast<double>(metrics.tokens - std::max<std::int64_t>(0, before)) / metrics.seconds;
}

}  // namespace

TensorBoardObserver::TensorBoardObserver(std::filesystem::path folder)
    : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    throw Error(ErrorKind::kIo, "--tensorboard " + core::printable(folder_.string()) +
                                    ": the folder cannot be made: " + error.message());
}

report::EventFile& TensorBoardObserver::file(std::int64_t step) {
  if (!file_) file_.emplace(folder_, step);
  return *file_;
}

void TensorBoardObserver::step(const train::StepMetrics& metrics) {
  std::vector<report::Scalar> scalars{{"train/loss", metrics.loss},
      {"train/learning_rate", metrics.learning_rate},
      {"train/epoch", static_cast<double>(metrics.epoch)}, {"train/step_seconds", metrics.seconds},
      {"budget/spent", metrics.budget_spent}};
  const std::optional<double> speed = throughput(metrics, tokens_);
  if (speed) scalars.push_back({"train/tokens_per_second", *speed});
  tokens_ = metrics.tokens;
  file(metrics.step).write(metrics.step, scalars);
}

void TensorBoardObserver::evaluation(
    const types::DevEvaluation& evaluation, const std::vector<train::DocumentLoss>& /*documents*/) {
  file(evaluation.step).write(evaluation.step, {{"dev/loss", evaluation.loss}});
}

MetricsServer::MetricsServer(std::int64_t port, const std::string& run) {
  metrics_.run = run;
  server_.page("/metrics", "text/plain; version=0.0.4; charset=utf-8", [this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    return report::prometheus_text(metrics_);
  });
  core::log_info("metrics at http://127.0.0.1:" + std::to_string(server_.start(port)) + "/metrics");
}

void MetricsServer::step(const train::StepMetrics& metrics) {
  const std::lock_guard<std::mutex> lock(mutex_);
  metrics_.step = metrics.step;
  metrics_.epoch = metrics.epoch;
  metrics_.tokens_per_second = throughput(metrics, tokens_).value_or(0.0);
  metrics_.tokens = tokens_ = metrics.tokens;
  metrics_.supervised_tokens = metrics.supervised_tokens;
  metrics_.loss = metrics.loss;
  metrics_.learning_rate = metrics.learning_rate;
  metrics_.budget_spent = metrics.budget_spent;
}

void MetricsServer::evaluation(
    const types::DevEvaluation& evaluation, const std::vector<train::DocumentLoss>& /*documents*/) {
  const std::lock_guard<std::mutex> lock(mutex_);
  metrics_.dev_loss = evaluation.loss;
  metrics_.dev_step = evaluation.step;
}

}  // namespace salf::tools
