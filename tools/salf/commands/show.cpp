// salf show: shows a document of salf, in 40 to 80 columns of the terminal. A run that goes on is
// shown as far as it is.
#include <algorithm>

#include "command_list.h"
#include "policy/rules.h"
#include "report/run_data.h"
#include "text/show_profile.h"
#include "text/show_run.h"
#include "text/tables.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

struct ShowOptions {
  CommonOptions common;
  std::string file;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    core::begin_group(visit, "Show");
    visit(Field{"file", "run directory, or a profile, plan, run, evaluation or trials as JSON"},
        self.file);
  }

  std::vector<std::string> problems() const {
    if (!file.empty()) return {};
    return {
        "a file is needed: a run directory, or a profile, plan, run, evaluation or trials as JSON"};
  }
};

// "salf.eval" of "salf.eval/1"; "" where the file names none.
std::string document_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return "";
  const core::Json json = core::read_json_file(path);
  const core::Json* const schema = core::find_member(json, "schema");
  if (schema == nullptr || !schema->is_string()) return "";
  const auto text = schema->get<std::string>();
  return text.substr(0, text.find('/'));
}

int run(const ShowOptions& options, core::Progress& /*progress*/) {
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
  if (data.run)
    return print_result(options.common, core::to_json(*data.run), run_text(data, style));
  if (data.plan)
    return print_result(options.common, core::to_json(*data.plan), plan_text(*data.plan, style));
  const types::LayerProfile& profile = *data.profile;
  return print_result(options.common, core::to_json(profile),
      profile_text(profile, policy::all_choices(profile.deviations, {}), style.width) +
          domain_text(profile, style.width));
}

}  // namespace

Command show_command() {
  return make_command<ShowOptions>(
      {"show", "Show a run, profile, plan, evaluation or trials in the terminal", {"file"},
          "Examples:\n  salf show run\n  salf show profile.json"},
      &run);
}

}  // namespace salf::tools
