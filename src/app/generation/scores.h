// Answers to held-out rows and how they compare with the rows' own.
#pragma once

#include "app/generation/writer.h"
#include "core/progress.h"
#include "types/evaluation.h"

namespace salf::app {

struct ScoreOptions {
  std::int64_t rows = 0;  // 0: as many as a minute is enough for
  GenerationOptions generation{};
};

struct ScoredAnswers {
  types::AnswerScores scores;
  std::vector<types::ScoredAnswer> answers;
};

// Answers rows of the split that have a prompt and an answer, in an order that the session's seed
// draws. Nothing once core::stop_signal() is set. Throws Error(kBadInput) where there is no such
// row. REQUIRES: open_data
std::optional<ScoredAnswers> score_answers(const Session& session, data::Split split,
    const std::string& chat_template, const ScoreOptions& options, core::Progress& progress);

}  // namespace salf::app
