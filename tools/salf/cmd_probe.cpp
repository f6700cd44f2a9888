#include "cmd_probe.h"

#include <cstdio>

#include "output_file.h"
#include "probing.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"

namespace salf::tools {

std::vector<std::string> ProbeOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty()) problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to train on");
  if (data.data == "-") problems.emplace_back("--data -: a plan that takes the probes reads the rows again: they have to be in a file");
  if (arms.size() < 2) problems.emplace_back("--arms: at least two are needed, to be compared");
  if (output.empty()) problems.emplace_back("--output needs a file name");
  for (auto& problem : arm_problems(arms, lora)) problems.push_back(std::move(problem));
  return problems;
}

int probe_command(const ProbeOptions& options, core::Progress& progress) {
  check_output_file(options.output, types::ProbeTable::kSchema, options.common.force);
  const ModelSession session = open_model(options.model, true);
  const data::Dataset dataset = open_data(options.data, session, row_limit(options.batch), progress);
  const ArmSetup setup{options.model, dataset, options.batch, options.train, options.lora, options.dev_documents, 1,
                       folder_of(options.output)};
  types::ProbeTable table;
  table.steps = options.steps;
  table.provenance = provenance(session, &dataset, options.data.data, options.model.model);
  try {
    std::vector<ArmToProbe> arms;
    for (const std::string& name : options.arms) arms.push_back({name, options.rates});
    probe_arms(setup, arms, session, table, /*before=*/{}, progress);
  } catch (const ArmStopped&) {
    return 128 + core::stop_signal();
  }
  core::write_document(options.output, table);
  if (options.common.json) {
    std::fputs(core::format_json(core::to_json(table)).c_str(), stdout);
  } else {
    std::fputs(probe_text(table).c_str(), stdout);
    std::printf("\nwritten to %s\n", core::printable(options.output).c_str());
  }
  return 0;
}

}  // namespace salf::tools
