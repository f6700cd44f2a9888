#include "commands/show.h"

#include <algorithm>
#include <filesystem>

#include "app/evidence/trials.h"
#include "policy/rules.h"
#include "report/run_data.h"
#include "text/show_domain.h"
#include "text/show_profile.h"
#include "text/show_run.h"
#include "text/trials_text.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

// "salf.eval" of "salf.eval/1"; "" where the file names none.
std::string document_of(const fs::path& path) {
  if (!fs::is_regular_file(path)) return "";
  const core::Json json = core::read_json_file(path);
  const core::Json* const schema = core::find_member(json, "schema");
  if (schema == nullptr || !schema->is_string()) return "";
  const auto text = schema->get<std::string>();
  return text.substr(0, text.find('/'));
}

std::string text_of(const report::RunData& data, const TextStyle& style) {
  if (data.run) return run_text(data, style);
  if (data.plan) return plan_text(*data.plan, style);
  return profile_text(
             *data.profile, policy::all_choices(data.profile->deviations, {}), style.width) +
         domain_text(*data.profile, style.width);
}

core::Json json_of(const report::RunData& data) {
  if (data.run) return core::to_json(*data.run);
  return data.plan ? core::to_json(*data.plan) : core::to_json(*data.profile);
}

}  // namespace

std::vector<std::string> ShowOptions::problems() const {
  if (!file.empty()) return {};
  return {
      "a file is needed: a run directory, or a profile, plan, run, evaluation or trials as JSON"};
}

int show_command(const ShowOptions& options, core::Progress& /*progress*/) {
  const std::string document = document_of(options.file);
  if (document == "salf.eval") {
    const types::EvaluationRecord record = types::read_evaluation(options.file);
    return print_result(options.common, core::to_json(record), evaluation_text(record));
  }
  if (document == "salf.trials" || document == "salf.probe") {
    const types::TrialTable table = types::read_trials(options.file);
    return print_result(options.common, core::to_json(table), trials_text(table));
  }
  const report::RunData data = report::load_run(options.file, report::Running::kAccept);
  TextStyle style = style_of_stdout();
  style.width = std::clamp<std::size_t>(style.width, 40, 80);
  return print_result(options.common, json_of(data), text_of(data, style));
}

}  // namespace salf::tools
