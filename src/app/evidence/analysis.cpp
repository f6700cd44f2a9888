#include "app/evidence/analysis.h"

#include <algorithm>

#include "app/planning/planning.h"
#include "calibration/domain_vocabulary.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "distributed/group.h"
#include "policy/domains.h"
#include "policy/rules.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

constexpr const char* kFromData = "data";
constexpr std::size_t kMostUnknown = 20;
constexpr std::size_t kMostBytes = 200;  // of a text that is kept

constexpr double kFewestMeasured = 16.0;  // documents of a short run
// Measuring a document takes this share of the seconds of training on it.
constexpr double kMeasuringShare = 0.5;

void warn_of_unknown(const calibration::DomainWords& words) {
  if (words.unknown.empty()) return;
  std::vector<std::string> shown;
  for (const std::string& word : words.unknown) {
    if (shown.size() == kMostUnknown) break;
    shown.push_back("\"" + core::printable(word, 60) + "\"");
  }
  core::log_warning(
      "--basis-vocabulary: " + core::format_count(static_cast<std::int64_t>(words.unknown.size())) +
      " of " + core::format_count(words.words) + " words have no token and are left out: " +
      core::join(shown, ", ") + (shown.size() < words.unknown.size() ? ", …" : ""));
}

calibration::CalibrationSetting setting(const Session& session, const AnalysisRequest& request) {
  const data::Tokenizer& tokenizer = *session.tokenizer;
  calibration::CalibrationSetting setting;
  setting.batch_tokens = session.batch.tokens();
  setting.padding_id = session.padding_id();
  setting.vocabulary_limit = tokenizer.vocabulary_size();
  setting.seed = session.seed();
  setting.seconds = request.seconds;
  setting.ranks = request.ranks;
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

// Those that --basis-vocabulary means: "data" or a file. Nothing if a stop signal came.
std::optional<calibration::DomainWords> find_domain_words(
    const std::string& wanted, const Session& session, core::Progress& progress) {
  if (wanted != kFromData) {
    calibration::DomainWords words = calibration::read_domain_words(wanted, *session.tokenizer);
    warn_of_unknown(words);
    return words;
  }
  calibration::GeneralTextOptions options;
  options.seed = session.seed();
  const auto general =
      calibration::general_text(*session.graph, *session.tokenizer, options, progress);
  if (!general) return std::nullopt;
  return calibration::overrepresented_words(*session.dataset, *general, *session.tokenizer);
}

// Those that the first rank finds: the others need no more of them than the ids.
std::optional<calibration::DomainWords> share_domain_words(const std::string& wanted,
    const Session& session, distributed::Group* ranks, core::Progress& progress) {
  if (ranks == nullptr) return find_domain_words(wanted, session, progress);
  std::optional<calibration::DomainWords> words;
  core::Json told = core::Json::object();
  if (ranks->leads()) {
    words = find_domain_words(wanted, session, progress);
    told = words ? core::Json{{"ids", words->ids}} : core::Json{{"signal", core::stop_signal()}};
  }
  told = core::parse_json(ranks->broadcast(told.dump()), "rank 0's words");
  if (!told.contains("ids")) {
    core::set_stop_signal(told.at("signal").get<int>());
    return std::nullopt;
  }
  if (!words) words.emplace().ids = told.at("ids").get<std::vector<std::int64_t>>();
  return words;
}

// keep_text: tokens and unknown words by their texts.
void describe_domain_words(const std::string& wanted, const calibration::DomainWords& words,
    const data::Tokenizer& tokenizer, bool keep_text, types::DomainVocabulary& vocabulary) {
  vocabulary.source = wanted;
  if (wanted == kFromData) vocabulary.reference = "text that the model itself writes";
  vocabulary.tokens = static_cast<std::int64_t>(words.ids.size());
  vocabulary.words = words.words;
  vocabulary.split_words = words.split_words;
  vocabulary.unknown_words = static_cast<std::int64_t>(words.unknown.size());
  if (!keep_text) return;
  for (const std::int64_t id : words.examples)
    vocabulary.examples.push_back(tokenizer.decode({id}));
  for (std::size_t i = 0; i < std::min(kMostUnknown, words.unknown.size()); ++i) {
    vocabulary.unknown.push_back(words.unknown[i].substr(0, kMostBytes));
  }
}

}  // namespace

std::optional<types::LayerProfile> analyze(
    const Session& session, const AnalysisRequest& request, core::Progress& progress) {
  const core::Stopwatch watch;
  const distributed::Group::LongWork long_work(request.ranks, "the analysis");
  calibration::CalibrationSetting how = setting(session, request);
  std::optional<calibration::DomainWords> words;
  const std::string& wanted = request.calibration.basis_vocabulary;
  if (!wanted.empty()) {
    words = share_domain_words(wanted, session, request.ranks, progress);
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

double analysis_flops(const types::LayerProfile& profile, double row_length) {
  double positions = 0.0;
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == types::Measure::kLoss)
      positions = static_cast<double>(deviation.positions);
  }
  positions *= static_cast<double>(profile.shape.blocks + 1);
  if (profile.loss_before) positions += static_cast<double>(profile.loss_before->positions);
  return cost::evaluation_flops(
      profile.shape, {static_cast<double>(profile.tokens), positions, row_length});
}

void check_time_is_left(const types::Budget& budget, double spent_seconds) {
  if (budget.deterministic() ||
      spent_seconds < (1.0 - policy::kTimeMargin) * budget.clock_seconds())
    return;
  throw Error(ErrorKind::kBudget,
      "the budget of " + types::format_budget(budget) + " was over before anything was measured: " +
          core::format_seconds(spent_seconds) + " went by while model and data were read");
}

void check_analysis_fits(
    const Session& session, const types::Budget& budget, std::int64_t documents) {
  if (budget.unit != types::BudgetUnit::kFlops) return;
  double tokens = 0.0, squares = 0.0, all = 0.0;
  for (const std::int64_t place : session.dataset->indices(data::Split::kTrain)) {
    const auto length =
        static_cast<double>(session.dataset->documents[static_cast<std::size_t>(place)].ids.size());
    tokens += length;
    squares += length * length;
    all += 1.0;
  }
  const double drawn = tokens * std::min(1.0, static_cast<double>(documents) / std::max(1.0, all));
  const double needed =
      cost::evaluation_flops(session.shape(), {drawn, 0.0, tokens > 0.0 ? squares / tokens : 0.0});
  if (needed < budget.amount) return;
  throw Error(ErrorKind::kBudget, "the budget of " + types::format_budget(budget) +
                                      " would be over with the analysis: measuring " +
                                      core::format_count(documents) + " documents takes about " +
                                      core::format_flops(needed) +
                                      "; a smaller --documents takes less");
}

std::optional<double> counted_epochs(
    const types::Budget& budget, std::int64_t accumulate, const data::Batcher& train_rows) {
  if (train_rows.rows() == 0) return std::nullopt;
  switch (budget.unit) {
    case types::BudgetUnit::kSteps:
      return budget.amount * static_cast<double>(accumulate) /
             static_cast<double>(train_rows.in_order().size());
    case types::BudgetUnit::kTokens:
      return budget.amount / static_cast<double>(train_rows.real_tokens());
    case types::BudgetUnit::kEpochs: return budget.amount;
    default: return std::nullopt;
  }
}

calibration::CalibrationOptions short_calibration(
    calibration::CalibrationOptions asked, std::optional<double> trained_documents) {
  asked.stability = 0.0;
  if (!trained_documents || asked.documents != calibration::CalibrationOptions{}.documents)
    return asked;
  const double share = kProfileShare / kMeasuringShare * *trained_documents;
  asked.documents =
      std::llround(std::clamp(share, kFewestMeasured, static_cast<double>(asked.documents)));
  return asked;
}

}  // namespace salf::app
