#include "report/run_data.h"

#include <cmath>
#include <limits>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "types/validate.h"

namespace salf::report {
namespace {

namespace fs = std::filesystem;

std::string name_of(const fs::path& path) {
  const fs::path clean = path.lexically_normal();
  const fs::path last = clean.has_filename() ? clean.filename() : clean.parent_path().filename();
  return last.empty() || last == "." || last == ".." ? path.string() : last.string();
}

double number_at(const core::Json& json, const char* key, const std::string& where) {
  const core::Json* const found = core::find_member(json, key);
  if (found == nullptr) throw Error(ErrorKind::kBadInput, where + ": expected a \"" + key + "\"");
  if (found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!found->is_number()) {
    core::throw_json_type(core::detail::member_path(where, key), "a number", *found);
  }
  return found->get<double>();
}

std::int64_t count_at(const core::Json& json, const char* key, const std::string& where) {
  const double value = number_at(json, key, where);
  if (value >= 0.0 && value <= 9e15 && std::floor(value) == value) {
    return static_cast<std::int64_t>(value);
  }
  throw Error(ErrorKind::kBadInput,
      core::detail::member_path(where, key) + ": expected a whole number of at least 0");
}

void add_line(const core::Json& json, const std::string& where, Metrics& metrics) {
  if (!json.is_object()) core::throw_json_type(where, "an object", json);
  if (core::find_member(json, "dev_loss") != nullptr) {
    metrics.evaluations.push_back(
        {count_at(json, "step", where), number_at(json, "dev_loss", where)});
    return;
  }
  metrics.steps.push_back({count_at(json, "step", where), count_at(json, "tokens", where),
      number_at(json, "seconds", where), number_at(json, "loss", where),
      number_at(json, "lr", where), number_at(json, "budget_spent", where)});
}

void read_run_file(const fs::path& file, Running running, RunData& data) {
  data.run = types::read_run(file);
  if (running == Running::kRefuse && data.run->status == types::RunStatus::kRunning) {
    throw Error(ErrorKind::kBadInput,
        core::printable_path(file) +
            ": this run is still being written (or was killed). Wait until it ends, watch it with "
            "salf report --follow " +
            core::printable(data.path) + ", or go on with it by salf train --resume");
  }
  data.plan = data.run->plan;
  const auto beside = [&file](const char* name) { return file.parent_path() / name; };
  const fs::path profile = beside("profile.json");
  if (fs::exists(profile)) data.profile = types::read_profile(profile);
  if (fs::exists(beside("metrics.jsonl"))) data.metrics = read_metrics(beside("metrics.jsonl"));
  if (fs::exists(beside("dev_losses.json")))
    data.dev_losses = types::read_dev_losses(beside("dev_losses.json"));
  if (fs::exists(beside("answers.json")))
    data.answers = types::read_answers(beside("answers.json"));
  if (data.profile && data.profile->shape.blocks != data.plan->shape.blocks) {
    throw Error(ErrorKind::kBadInput,
        core::printable_path(profile) +
            ": is of another model than run.json: " + std::to_string(data.profile->shape.blocks) +
            " blocks, not " + std::to_string(data.plan->shape.blocks));
  }
}

}  // namespace

Metrics read_metrics(const fs::path& path) {
  Metrics metrics;
  std::istringstream lines(core::read_file(path));
  std::int64_t place = 0;
  for (std::string line; std::getline(lines, line);) {
    ++place;
    if (lines.eof()) break;  // no newline yet: half-written
    if (line.empty()) continue;
    const std::string where = core::printable_path(path) + ":" + std::to_string(place);
    add_line(core::parse_json(line, where), where, metrics);
  }
  return metrics;
}

Document find_document(const fs::path& path, const char* expected) {
  const std::string name = core::printable_path(path);
  if (!fs::exists(path)) {
    throw Error(ErrorKind::kIo, name + ": there is no such file or folder; expected " + expected);
  }
  const fs::path file = fs::is_directory(path) ? path / "run.json" : path;
  if (!fs::exists(file)) {
    throw Error(ErrorKind::kBadInput, name + ": is no run directory: there is no run.json in it");
  }
  const core::Json json = core::read_json_file(file);
  const core::Json* const schema = core::find_member(json, "schema");
  const bool named = schema != nullptr && schema->is_string();
  return {file, named ? schema->get<std::string>() : ""};
}

RunData load_run(const fs::path& path, Running running) {
  const auto [file, found] =
      find_document(path, "a run directory, or its run.json, profile.json or plan.json");
  RunData data;
  data.path = path.string();
  data.name =
      name_of(file.filename() == "run.json" && file.has_parent_path() ? file.parent_path() : file);
  const std::string schema = found.substr(0, found.rfind('/'));
  if (schema == "salf.run") {
    read_run_file(file, running, data);
  } else if (schema == "salf.profile") {
    data.profile = types::read_profile(file);
  } else if (schema == "salf.plan") {
    data.plan = types::read_plan(file);
  } else {
    throw Error(ErrorKind::kBadInput,
        core::printable_path(file) +
            ": expected a document of salf (schema salf.run, salf.profile or salf.plan), got " +
            (schema.empty() ? "one without a schema" : "\"" + core::printable(schema, 80) + "\""));
  }
  return data;
}

}  // namespace salf::report
