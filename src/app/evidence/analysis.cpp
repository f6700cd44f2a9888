#include "app/evidence/analysis.h"

#include <utility>

#include "app/evidence/domain_words.h"
#include "core/clock.h"
#include "policy/domains.h"
#include "policy/rules.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

calibration::CalibrationSetting setting(const Session& session, const AnalysisRequest& request) {
  const data::Tokenizer& tokenizer = *session.tokenizer;
  calibration::CalibrationSetting setting;
  setting.batch_tokens = session.batch.batch_tokens;
  setting.padding_id = tokenizer.padding_id().value_or(tokenizer.eos_id().value_or(0));
  setting.vocabulary_limit = tokenizer.vocabulary_size();
  setting.seed = session.seed();
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

std::optional<types::LayerProfile> analyze(
    const Session& session, const AnalysisRequest& request, core::Progress& progress) {
  const tensor::AutocastGuard autocast(session.device, session.autocast());
  const core::Stopwatch watch;
  calibration::CalibrationSetting how = setting(session, request);
  std::optional<calibration::DomainWords> words;
  const std::string& wanted = request.calibration.basis_vocabulary;
  if (!wanted.empty()) {
    words = find_domain_words(wanted, session, progress);
    if (!words) return std::nullopt;
    how.vocabulary = words->ids;
    if (how.seconds) *how.seconds -= watch.seconds();
  }
  auto profile =
      calibration::calibrate(*session.graph, *session.dataset, request.calibration, how, progress);
  if (!profile) return std::nullopt;
  if (words) {
    describe_domain_words(wanted, *words, *session.tokenizer, request.calibration.token_maps > 0,
        *profile->vocabulary);
    profile->seconds = watch.seconds();
  }
  policy::choose_for_domains(*profile, {});
  profile->shape = session.shape();
  profile->provenance = session.provenance();
  return profile;
}

}  // namespace salf::app
