#include "commands/analyze.h"

#include "app/evidence/analysis.h"
#include "app/session/frozen_blocks.h"
#include "app/session/scratch.h"
#include "app/training/shared_run.h"
#include "command_list.h"
#include "core/files.h"
#include "core/signals.h"
#include "policy/rules.h"
#include "text/show_profile.h"
#include "types/validate.h"

namespace salf::tools {

std::vector<std::string> AnalyzeOptions::problems() const {
  std::vector<std::string> problems;
  require_model(model.model, problems);
  require_data(data.data, "the documents to measure the layers with", problems);
  if (data.dev_share + data.test_share >= 1.0) {
    problems.emplace_back("--dev-share and --test-share leave no documents for the train split");
  }
  if (data.max_length > batch_tokens) {
    problems.emplace_back("--max-length " + std::to_string(data.max_length) +
                          " is more than --batch-tokens " + std::to_string(batch_tokens) +
                          ": such a document would fit in no batch");
  }
  require_output(output, problems);
  return problems;
}

namespace {

int run_rank(const AnalyzeOptions& options, distributed::Group* ranks, core::Progress& progress) {
  const bool writes = app::leads(ranks);
  if (writes) check_output_file(options.output, types::LayerProfile::kSchema, options.common.force);
  const app::FrozenType frozen = options.frozen.frozen_dtype;
  app::Session session = app::open_model(options.model, true, app::AdapterUse::kMerge,
      app::scratch_for(frozen, app::scratch_folder("", core::folder_of(options.output))), ranks);
  app::check_frozen_type(frozen, session);
  app::open_data(session, options.data, {options.batch_tokens, 0}, progress, ranks);
  app::check_alike(ranks, session, core::to_json(options));
  const auto quantized = app::quantize_blocks(frozen, session, session.graph->map().blocks);
  const auto profile =
      app::analyze(quantized.session, {options.calibration, std::nullopt, ranks}, progress);
  if (!profile) return 128 + core::stop_signal();
  if (!writes) return 0;
  types::check(*profile, options.output);
  core::write_document(options.output, *profile);
  return print_result(options.common, core::document_json(*profile),
      profile_text(*profile, policy::all_choices(profile->deviations, {})) + domain_text(*profile) +
          written_text(options.output));
}

}  // namespace

int run(const AnalyzeOptions& options, core::Progress& progress) {
  return run_on_ranks(options, progress, &run_rank);
}

Command analyze_command() {
  return make_command<AnalyzeOptions>(
      {"analyze", "Measure every layer against the vocabulary's semantic basis", {"model"},
          "Example:\n  salf analyze smollm2 --data rows.jsonl -o profile.json"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
