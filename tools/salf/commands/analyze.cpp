#include "commands/analyze.h"

#include <cstdio>

#include "app/evidence/analysis.h"
#include "app/session/frozen_blocks.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "output_file.h"
#include "policy/rules.h"
#include "text/show_domain.h"
#include "text/show_profile.h"
#include "types/validate.h"

namespace salf::tools {

std::vector<std::string> AnalyzeOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty())
    problems.emplace_back("--data FILE is needed: the documents to measure the layers with");
  if (data.dev_share + data.test_share >= 1.0) {
    problems.emplace_back("--dev-share and --test-share leave no documents for the train split");
  }
  if (data.max_length > batch_tokens) {
    problems.emplace_back("--max-length " + std::to_string(data.max_length) +
                          " is more than --batch-tokens " + std::to_string(batch_tokens) +
                          ": such a document would fit in no batch");
  }
  if (model.dtype != app::DataType::kFloat32 && model.device == "cpu") {
    problems.emplace_back(
        "--dtype bf16 is a type of autocast on CUDA: leave it out, or give --device cuda");
  }
  if (output.empty()) problems.emplace_back("--output needs a file name");
  return problems;
}

int analyze_command(const AnalyzeOptions& options, core::Progress& progress) {
  check_output_file(options.output, types::LayerProfile::kSchema, options.common.force);
  const app::FrozenType frozen = options.frozen.frozen_dtype;
  app::Session session = app::open_model(options.model, true, app::AdapterUse::kMerge,
      app::scratch_for(frozen, core::folder_of(options.output)));
  app::check_frozen_type(frozen, session);
  app::open_data(session, options.data, {options.batch_tokens, 0}, progress);
  const auto quantized = app::quantize_blocks(frozen, session, session.graph->map().blocks);
  const auto profile =
      app::analyze(quantized.session, {options.calibration, std::nullopt}, progress);
  if (!profile) return 128 + core::stop_signal();
  types::check(*profile, options.output);
  core::write_document(options.output, *profile);
  if (options.common.json) {
    std::fputs(core::format_json(core::read_json_file(options.output)).c_str(), stdout);
  } else {
    std::fputs((profile_text(*profile, policy::all_choices(profile->deviations, {})) +
                   domain_text(*profile))
                   .c_str(),
        stdout);
    std::printf("\nwritten to %s\n", core::printable(options.output).c_str());
  }
  return 0;
}

}  // namespace salf::tools
