#include "cmd_analyze.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstdio>

#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "domain_words.h"
#include "output_file.h"
#include "planning.h"
#include "policy/domains.h"
#include "policy/rules.h"
#include "show_domain.h"
#include "show_profile.h"
#include "tensor/device.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

c10::ScalarType scalar_type(DataType type) {
  return type == DataType::kBFloat16 ? c10::kBFloat16 : c10::kFloat;
}

calibration::CalibrationSetting setting(
    const data::Tokenizer& tokenizer, const AnalyzeRequest& request) {
  calibration::CalibrationSetting setting;
  setting.batch_tokens = request.batch_tokens;
  setting.padding_id = tokenizer.padding_id().value_or(tokenizer.eos_id().value_or(0));
  setting.vocabulary_limit = tokenizer.vocabulary_size();
  setting.seed = request.seed;
  setting.seconds = request.seconds;
  setting.stability = [](const types::LayerProfile& profile) {
    const auto& measured = policy::rule_deviations(profile);
    const bool enough =
        !profile.vocabulary ||
        (!measured.empty() && measured.front().documents >= calibration::kFewestDomainDocuments);
    return enough ? policy::choose_with_stability(types::Rule::kMaxGain, {}, measured.front())
                        .stability
                  : 0.0;
  };
  setting.token_text = [&tokenizer](std::int64_t id) { return tokenizer.decode({id}); };
  return setting;
}

}  // namespace

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
  if (model.dtype != DataType::kFloat32 && model.device == "cpu") {
    problems.emplace_back(
        "--dtype bf16 is a type of autocast on CUDA: leave it out, or give --device cuda");
  }
  if (output.empty()) problems.emplace_back("--output needs a file name");
  return problems;
}

std::optional<types::LayerProfile> analyze(const ModelSession& session,
    const data::Dataset& dataset, const AnalyzeRequest& request, core::Progress& progress) {
  const tensor::AutocastGuard autocast(session.device, scalar_type(request.dtype));
  const core::Stopwatch watch;
  calibration::CalibrationSetting how = setting(*session.tokenizer, request);
  std::optional<calibration::DomainWords> words;
  const std::string& wanted = request.calibration.basis_vocabulary;
  if (!wanted.empty()) {
    words = find_domain_words(wanted, session, dataset, request.seed, progress);
    if (!words) return std::nullopt;
    how.vocabulary = words->ids;
    if (how.seconds) *how.seconds -= watch.seconds();
  }
  auto profile =
      calibration::calibrate(*session.graph, dataset, request.calibration, how, progress);
  if (!profile) return std::nullopt;
  if (words) {
    describe_domain_words(wanted, *words, *session.tokenizer, request.calibration.token_maps > 0,
        *profile->vocabulary);
    profile->seconds = watch.seconds();
  }
  policy::choose_for_domains(*profile, {});
  profile->shape = session.shape();
  profile->provenance = provenance(session, &dataset, request.data_path, request.model_path);
  return profile;
}

int analyze_command(const AnalyzeOptions& options, core::Progress& progress) {
  check_output_file(options.output, types::LayerProfile::kSchema, options.common.force);
  const ModelSession session = open_model(options.model, true, AdapterUse::kMerge,
      scratch_for(options.frozen.frozen_dtype, folder_of(options.output)));
  check_frozen_type(options.frozen.frozen_dtype, session);
  const data::Dataset dataset = open_data(options.data, session, options.batch_tokens, progress);
  const AnalyzeRequest request{options.calibration, options.batch_tokens,
      static_cast<std::uint64_t>(options.model.seed), options.model.dtype, options.model.model,
      options.data.data, std::nullopt};
  const auto quantized = quantize_blocks(
      options.frozen.frozen_dtype, session, dataset, request.seed, session.graph->map().blocks);
  const auto profile = analyze(session, dataset, request, progress);
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
