// Answers to a few held-out rows before and after a run, for its report: answers.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/session/session.h"
#include "data/rows/prompts.h"
#include "types/freeze_plan.h"
#include "types/generation.h"

namespace salf::app {

struct RunAnswerOptions {
  std::filesystem::path file;
  // How many; without it a few where the run is long enough to pay for them.
  std::optional<std::int64_t> asked;
  std::string chat_template;            // as in data::DataOptions
  bool resumed = false;                 // what the file has from before is kept
  distributed::Group* ranks = nullptr;  // of which the first answers; null: this process alone
};

class RunAnswerKeeper {
 public:
  explicit RunAnswerKeeper(RunAnswerOptions options) : options_(std::move(options)) {}

  // Answers before the first step. What no flag asked for takes a small share of the time that the
  // plan's budget or its prediction says; a row for which that is not enough is left out. Returns
  // the seconds that after() may take.
  double before(const Session& session, const types::FreezePlan& plan);
  // Answers with the weights that are kept. Nothing where there were none before.
  void after(const Session& session);

 private:
  std::vector<data::AskedDocument> chosen_rows(const Session& session) const;
  void answer_before(const Session& session, double most);
  void answer_after(const Session& session);
  double reserve() const;

  RunAnswerOptions options_;
  std::vector<data::AskedDocument> rows_;
  types::RunAnswers answers_;
};

}  // namespace salf::app
