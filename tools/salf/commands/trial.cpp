#include "commands/trial.h"

#include <cstdio>
#include <optional>

#include "app/evidence/arms.h"
#include "app/evidence/trials.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "output_file.h"
#include "text/trials_text.h"

namespace salf::tools {

std::vector<std::string> TrialOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to train on");
  if (data.data == "-")
    problems.emplace_back(
        "--data -: a plan that takes the trials reads the rows again: they have to be in a file");
  if (arms.size() < 2) problems.emplace_back("--arms: at least two are needed, to be compared");
  if (output.empty()) problems.emplace_back("--output needs a file name");
  for (auto& problem : app::arm_problems(arms, lora)) problems.push_back(std::move(problem));
  return problems;
}

int trial_command(const TrialOptions& options, core::Progress& progress) {
  check_output_file(options.output, types::TrialTable::kSchema, options.common.force);
  app::Session session = app::open_model(options.model, true);
  app::open_data(session, options.data, options.batch, progress);
  std::vector<app::TrialRequest> arms;
  for (const std::string& name : options.arms) arms.push_back({name, options.rates});
  const app::TrialSetup setup{session, options.train, options.lora, options.dev_documents,
      core::folder_of(options.output), options.steps};
  const auto found = app::run_trials(setup, arms, std::nullopt, progress);
  if (!found) return 128 + core::stop_signal();
  const types::TrialTable& table = *found;
  core::write_document(options.output, table);
  if (options.common.json) {
    std::fputs(core::format_json(core::to_json(table)).c_str(), stdout);
  } else {
    std::fputs(trials_text(table).c_str(), stdout);
    std::printf("\nwritten to %s\n", core::printable(options.output).c_str());
  }
  return 0;
}

}  // namespace salf::tools
