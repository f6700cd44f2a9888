#include "app/evidence/domain_words.h"

#include <algorithm>
#include <vector>

#include "core/log.h"
#include "core/text.h"

namespace salf::app {
namespace {

constexpr const char* kFromData = "data";
constexpr std::size_t kMostUnknown = 20;
constexpr std::size_t kMostBytes = 200;  // of a text that is kept

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

}  // namespace

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

}  // namespace salf::app
