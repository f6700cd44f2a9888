#include "app/analysis.h"

#include <c10/core/ScalarType.h>

#include <utility>

#include "app/domain_words.h"
#include "core/clock.h"
#include "policy/domains.h"
#include "policy/rules.h"
#include "tensor/device.h"

namespace salf::app {
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

}  // namespace salf::app
