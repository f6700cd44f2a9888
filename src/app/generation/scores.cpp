#include "app/generation/scores.h"

#include <algorithm>

#include "core/clock.h"
#include "core/error.h"
#include "core/random.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "generate/answer_scores.h"
#include "train/evaluate.h"

namespace salf::app {
namespace {

constexpr double kSeconds = 60.0;        // where the number of rows is not given
constexpr std::int64_t kFewestRows = 5;  // whatever they take

std::vector<data::AskedDocument> asked_rows(const Session& session, data::Split split) {
  const data::Dataset& dataset = *session.dataset;
  const std::vector<std::int64_t> documents = dataset.indices(split);
  core::Random random(session.seed(), "answered rows");
  std::vector<data::AskedDocument> asked;
  for (const std::int64_t place :
      core::permutation(static_cast<std::int64_t>(documents.size()), random)) {
    const std::int64_t index = documents[static_cast<std::size_t>(place)];
    auto row =
        data::last_answer(dataset.documents[static_cast<std::size_t>(index)], *session.tokenizer);
    if (row) asked.push_back(std::move(*row));
  }
  if (asked.empty()) {
    throw Error(
        ErrorKind::kBadInput, session.data_path + ": no row of the " + core::enum_to_string(split) +
                                  " split has a prompt and an answer; --generate needs such rows");
  }
  return asked;
}

types::ScoredAnswer scored(
    const data::AskedDocument& row, const std::string& answer, const data::Tokenizer& tokenizer) {
  types::ScoredAnswer made;
  made.prompt = data::plain_text(row.prompt, tokenizer);
  made.reference = data::plain_text(row.answer, tokenizer);
  made.answer = answer;
  made.exact_match = generate::exact_match(answer, made.reference);
  made.f1 = generate::token_f1(answer, made.reference);
  if (const auto right = generate::final_number(made.reference))
    made.number = generate::final_number(answer) == right;
  return made;
}

void sum_up(const std::vector<types::ScoredAnswer>& answers, types::AnswerScores& scores) {
  std::int64_t exact = 0, right = 0;
  core::ClusteredMean f1;
  for (const types::ScoredAnswer& answer : answers) {
    exact += answer.exact_match ? 1 : 0;
    f1.add(answer.f1, 1.0);
    if (!answer.number) continue;
    ++scores.number_rows;
    right += *answer.number ? 1 : 0;
  }
  scores.rows = static_cast<std::int64_t>(answers.size());
  scores.exact_match = train::wilson(exact, scores.rows);
  const core::Estimate mean = f1.estimate();
  const double reach = core::kNormal95 * mean.standard_error;
  scores.f1 = {mean.mean, mean.mean - reach, mean.mean + reach};
  if (scores.number_rows > 0) scores.number = train::wilson(right, scores.number_rows);
}

}  // namespace

std::optional<ScoredAnswers> score_answers(const Session& session, data::Split split,
    const std::string& chat_template, const ScoreOptions& options, core::Progress& progress) {
  const std::vector<data::AskedDocument> rows = asked_rows(session, split);
  const auto available = static_cast<std::int64_t>(rows.size());
  const std::int64_t most = options.rows > 0 ? std::min(options.rows, available) : available;
  Writer writer(session, chat_template);
  ScoredAnswers made;
  const core::Stopwatch watch;
  progress.begin("answering", options.rows > 0 ? most : 0, "rows");
  for (std::int64_t i = 0; i < most; ++i) {
    if (options.rows == 0 && i >= kFewestRows && watch.seconds() > kSeconds) break;
    const data::AskedDocument& row = rows[static_cast<std::size_t>(i)];
    const types::GeneratedText text = writer.write(row.prompt, options.generation);
    if (text.end == types::TextEnd::kStopped) return std::nullopt;
    if (text.end != types::TextEnd::kEnd) ++made.scores.cut;
    made.answers.push_back(scored(row, text.text, *session.tokenizer));
    progress.update(i + 1, "");
  }
  progress.end();
  sum_up(made.answers, made.scores);
  made.scores.available = available;
  made.scores.tokens = options.generation.tokens;
  made.scores.seconds = watch.seconds();
  return made;
}

}  // namespace salf::app
