// salf eval: measures a model on data. Nothing is printed or written after a signal.
#include "app/evidence/evaluation.h"
#include "app/generation/scores.h"
#include "app/training/shared_run.h"
#include "command_list.h"
#include "core/signals.h"
#include "text/show_run.h"

namespace salf::tools {
namespace {

struct EvalOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  data::Split split = data::Split::kAll;
  std::int64_t documents = 0;
  bool generate = false;
  app::ScoreOptions scores;
  std::string output;
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    core::begin_group(visit, "Evaluation");
    visit(Field{"split", "documents to score: all, train, dev or test"}.common(), self.split);
    visit(Field{"documents", "score a seeded sample of so many; 0: all"}.common().range(0, 1e12),
        self.documents);
    visit(Field{"generate",
              "let the model answer the rows' prompts: exact match, F1 and final number"}
              .common(),
        self.generate);
    visit(Field{"generate_rows", "rows to answer; 0: as many as a minute is enough for"}.range(
              0, 1e12),
        self.scores.rows);
    app::GenerationOptions::fields(self.scores.generation, visit);
    core::begin_group(visit, "Evaluation");
    visit(Field{"output",
              "file to write the result to, each document's loss included, for salf compare"}
              .common(),
        self.output);
    RankOptions::fields(self.ranks, visit);
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems;
    require_model(model.model, problems);
    require_data(data.data, "the documents to score", problems);
    if (generate && data.train_on_prompt)
      problems.emplace_back("--generate tells prompts from answers: leave out --train-on-prompt");
    if (!generate && scores.rows > 0) problems.emplace_back("--generate-rows is of --generate");
    return problems;
  }
};

int run_rank(const EvalOptions& options, distributed::Group* ranks, core::Progress& progress) {
  const bool writes = app::leads(ranks);
  if (writes && !options.output.empty())
    check_output_file(options.output, types::EvaluationRecord::kSchema, options.common.force);
  app::Session session = app::open_model(options.model, true, app::AdapterUse::kMerge, {}, ranks);
  app::open_data(session, options.data, options.batch, progress, ranks);
  app::check_alike(ranks, session, core::Json::object());
  auto record = app::evaluate(session, options.split, options.documents, progress, ranks);
  if (!record) return 128 + core::stop_signal();
  if (!writes) return 0;
  if (options.generate) {
    auto made = app::score_answers(
        session, options.split, options.data.chat_template, options.scores, progress);
    if (!made) return 128 + core::stop_signal();
    record->generation = made->scores;
    record->answers = std::move(made->answers);
  }
  if (!options.output.empty()) core::write_document(options.output, *record);
  record->losses.reset();  // these are for the file alone
  record->answers.clear();
  return print_result(options.common, core::document_json(*record), evaluation_text(*record));
}

int run(const EvalOptions& options, core::Progress& progress) {
  return run_on_ranks(options, progress, &run_rank);
}

}  // namespace

Command eval_command() {
  return make_command<EvalOptions>(
      {"eval", "Measure loss, perplexity and accuracy", {"model"},
          "Examples:\n  salf eval run --data rows.jsonl --split test\n"
          "  salf eval run --data rows.jsonl --split test -o eval.json    (for salf compare)\n"
          "  salf eval run --data rows.jsonl --split test --generate"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
