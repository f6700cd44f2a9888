// salf doctor: what salf finds on this machine, for those who wonder and for reports of faults.
#include "command_list.h"
#include "text/doctor_text.h"

namespace salf::tools {
namespace {

struct DoctorOptions {
  CommonOptions common;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
  }
};

int run(const DoctorOptions& options, core::Progress& /*progress*/) {
  const app::MachineReport report = app::examine_machine();
  core::Json json = {{"schema", app::MachineReport::kSchema}};
  json.update(core::to_json(report));
  return print_result(options.common, json, doctor_text(report, style_of_stdout()));
}

}  // namespace

Command doctor_command() {
  return make_command<DoctorOptions>(
      {"doctor", "Show what salf finds on this machine, and what is wrong", {},
          "Example:\n  salf doctor\n  salf doctor --json > machine.json"},
      &run);
}

}  // namespace salf::tools
