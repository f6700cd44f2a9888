#include "cmd_show.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "salf/core/error.h"
#include "salf/core/json.h"
#include "salf/policy/eof.h"
#include "salf/report/run_data.h"
#include "show_domain.h"
#include "show_profile.h"
#include "show_run.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

TextStyle style_of_stdout() {
  TextStyle style;
  const char* const no_colour = std::getenv("NO_COLOR");
  style.colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.width = std::clamp<std::size_t>(size.ws_col, 40, 80);
  }
  return style;
}

bool is_evaluation(const fs::path& path) {
  if (!fs::is_regular_file(path)) return false;
  const core::Json json = core::read_json_file(path);
  const core::Json* const schema = core::find_member(json, "schema");
  return schema != nullptr && schema->is_string() &&
         schema->get<std::string>().rfind("salf.eval/", 0) == 0;
}

std::string text_of(const report::RunData& data, const TextStyle& style) {
  if (data.run) return run_text(data, style);
  if (data.plan) return plan_text(*data.plan, style);
  return profile_text(*data.profile, policy::all_choices(data.profile->deviations, {}), style.width) +
         domain_text(*data.profile, style.width);
}

core::Json json_of(const report::RunData& data) {
  if (data.run) return core::to_json(*data.run);
  return data.plan ? core::to_json(*data.plan) : core::to_json(*data.profile);
}

void print(const core::Json& json) { std::fputs(core::format_json(json).c_str(), stdout); }

}  // namespace

std::vector<std::string> ShowOptions::problems() const {
  if (!file.empty()) return {};
  return {"a file is needed: a run directory, or a profile, plan, run or evaluation as JSON"};
}

int show_command(const ShowOptions& options, core::Progress& /*progress*/) {
  if (is_evaluation(options.file)) {
    const types::EvaluationRecord record = types::read_evaluation(options.file);
    options.common.json ? print(core::to_json(record))
                        : static_cast<void>(std::fputs(evaluation_text(record).c_str(), stdout));
    return 0;
  }
  const report::RunData data = report::load_run(options.file, report::Running::kAccept);
  options.common.json
      ? print(json_of(data))
      : static_cast<void>(std::fputs(text_of(data, style_of_stdout()).c_str(), stdout));
  return 0;
}

}  // namespace salf::tools
