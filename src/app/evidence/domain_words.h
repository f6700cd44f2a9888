// The tokens that --basis-vocabulary means for this model and these data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/session/session.h"
#include "calibration/domain_vocabulary.h"
#include "core/progress.h"
#include "types/layer_profile.h"

namespace salf::app {

// `wanted` is the option: "data" or a file. Says which words of a file are left out. Nothing if a
// stop signal came. Throws as calibration::read_domain_words, general_text and
// overrepresented_words do. REQUIRES: the session has a tokenizer
std::optional<calibration::DomainWords> find_domain_words(
    const std::string& wanted, const Session& session, core::Progress& progress);

// What the profile says of them beside the deviations. keep_text: tokens and unknown words by their
// texts.
void describe_domain_words(const std::string& wanted, const calibration::DomainWords& words,
    const data::Tokenizer& tokenizer, bool keep_text, types::DomainVocabulary& vocabulary);

}  // namespace salf::app
