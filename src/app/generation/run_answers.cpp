#include "app/generation/run_answers.h"

#include <algorithm>
#include <limits>

#include "app/generation/writer.h"
#include "app/training/shared_run.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::app {
namespace {

constexpr std::int64_t kUsualRows = 5;
constexpr std::int64_t kTokens = 64;          // of an answer at most
constexpr std::size_t kLongestPrompt = 1024;  // tokens
constexpr double kLeastSeconds = 120.0;       // of a run that has answers without being asked
constexpr double kShare = 0.02;               // of its seconds, before and after each
constexpr double kMostSeconds = 30.0;
constexpr double kSlower = 1.5;  // the second time at most

double seconds_of(const types::FreezePlan& plan) {
  return plan.budget.deterministic() ? plan.predicted_seconds.total() : plan.budget.clock_seconds();
}

// The seconds for the answers before or after the run; 0: none.
double allotted(const std::optional<std::int64_t>& asked, const types::FreezePlan& plan) {
  if (asked) return *asked > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  const double seconds = seconds_of(plan);
  return seconds < kLeastSeconds ? 0.0 : std::min(kShare * seconds, kMostSeconds);
}

GenerationOptions how() {
  GenerationOptions options;
  options.tokens = kTokens;
  return options;
}

}  // namespace

std::vector<data::AskedDocument> RunAnswerKeeper::chosen_rows(const Session& session) const {
  constexpr std::int64_t kDrawn = 4;  // documents for each row, some of which do not fit
  const auto count = static_cast<std::size_t>(options_.asked.value_or(kUsualRows));
  const std::int64_t context = session.files.card.context;
  std::vector<data::AskedDocument> rows;
  for (const std::int64_t index :
      session.dev_documents(kDrawn * static_cast<std::int64_t>(count))) {
    if (rows.size() == count) break;
    auto row = data::last_answer(
        session.dataset->documents[static_cast<std::size_t>(index)], *session.tokenizer);
    if (!row || row->prompt.size() > kLongestPrompt) continue;
    const auto longest = static_cast<std::int64_t>(row->prompt.size()) + kTokens;
    if (context == 0 || longest <= context) rows.push_back(std::move(*row));
  }
  return rows;
}

double RunAnswerKeeper::before(const Session& session, const types::FreezePlan& plan) {
  const double most = allotted(options_.asked, plan);
  work_alone(options_.ranks, [&] { answer_before(session, most); });
  return reserve();
}

void RunAnswerKeeper::after(const Session& session) {
  if (!rows_.empty()) work_alone(options_.ranks, [&] { answer_after(session); });
}

void RunAnswerKeeper::answer_before(const Session& session, double most) {
  const bool kept = options_.resumed && std::filesystem::exists(options_.file);
  std::error_code ignored;
  if (!kept) std::filesystem::remove(options_.file, ignored);
  if (most <= 0.0) return;
  rows_ = chosen_rows(session);
  if (kept) {
    answers_ = types::read_answers(options_.file);
    rows_.resize(std::min(rows_.size(), answers_.answers.size()));
    return;
  }
  if (rows_.empty()) return;
  const core::Stopwatch watch;
  Writer writer(session, options_.chat_template);
  answers_.tokens = kTokens;
  for (const data::AskedDocument& row : rows_) {
    const types::GeneratedText text =
        writer.write(row.prompt, how(), {}, [&] { return watch.seconds() < most; });
    if (text.end == types::TextEnd::kStopped) break;
    answers_.answers.push_back({data::plain_text(row.prompt, *session.tokenizer),
        data::plain_text(row.answer, *session.tokenizer), text.text, std::nullopt});
  }
  rows_.resize(answers_.answers.size());
  answers_.seconds = watch.seconds();
  if (!rows_.empty()) core::write_document(options_.file, answers_);
}

double RunAnswerKeeper::reserve() const { return rows_.empty() ? 0.0 : kSlower * answers_.seconds; }

void RunAnswerKeeper::answer_after(const Session& session) {
  const core::Stopwatch watch;
  const double most = options_.asked ? std::numeric_limits<double>::infinity() : reserve();
  Writer writer(session, options_.chat_template);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const types::GeneratedText text =
        writer.write(rows_[i].prompt, how(), {}, [&] { return watch.seconds() < most; });
    if (text.end == types::TextEnd::kStopped) break;
    answers_.answers[i].after = text.text;
  }
  answers_.seconds += watch.seconds();
  core::write_document(options_.file, answers_);
}

}  // namespace salf::app
