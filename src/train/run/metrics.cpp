#include "train/run/metrics.h"

#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

namespace salf::train {

MetricsFile::MetricsFile(std::filesystem::path path, std::ios::openmode mode)
    : path_(std::move(path)), stream_(path_, mode) {
  if (!stream_) throw Error(ErrorKind::kIo, path_.string() + ": cannot be written");
}

MetricsFile MetricsFile::start(const std::filesystem::path& path) {
  return MetricsFile(path, std::ios::out | std::ios::trunc);
}

MetricsFile MetricsFile::resume(
    const std::filesystem::path& path, std::int64_t step, std::int64_t evaluations) {
  std::string kept;
  if (std::filesystem::exists(path)) {
    std::istringstream lines(core::read_file(path));
    std::int64_t seen = 0, number = 0;
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
      const bool keep = evaluation ? seen++ < evaluations : at->get<std::int64_t>() <= step;
      if (keep) kept += line + "\n";
    }
  }
  core::write_file_atomically(path, kept);
  return MetricsFile(path, std::ios::out | std::ios::app);
}

void MetricsFile::write(const StepMetrics& metrics) {
  core::Json json = core::Json::object();
  json["step"] = metrics.step;
  json["epoch"] = metrics.epoch;
  json["tokens"] = metrics.tokens;
  json["supervised_tokens"] = metrics.supervised_tokens;
  json["seconds"] = metrics.seconds;
  json["loss"] = metrics.loss;
  json["lr"] = metrics.learning_rate;
  json["budget_spent"] = metrics.budget_spent;
  write_line(json.dump());
}

void MetricsFile::write(const types::DevEvaluation& evaluation) {
  core::Json json = core::Json::object();
  json["step"] = evaluation.step;
  json["dev_loss"] = evaluation.loss;
  json["seconds"] = evaluation.seconds;
  write_line(json.dump());
}

void MetricsFile::write_line(const std::string& line) {
  stream_ << line << '\n' << std::flush;
  if (!stream_)
    throw Error(ErrorKind::kIo, path_.string() + ": cannot be written (is the disk full?)");
}

}  // namespace salf::train
