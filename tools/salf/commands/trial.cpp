// salf trial: trains a few arms for some steps. Plans can rest their predictions on it.
#include "app/evidence/arms.h"
#include "app/evidence/trials.h"
#include "app/session/lora_options.h"
#include "app/training/shared_run.h"
#include "command_list.h"
#include "core/files.h"
#include "core/signals.h"
#include "text/tables.h"

namespace salf::tools {
namespace {

struct TrialOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  train::TrainOptions train;
  std::vector<std::string> arms{"full", "cut:8", "cut:16"};
  std::vector<double> rates;  // empty: the rule's rate alone
  std::int64_t steps = 24;
  std::int64_t dev_documents = 128;
  std::string lora = app::kUsualLora;
  std::string output = "trials.json";
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    train::TrainOptions::fields(self.train, visit);
    core::begin_group(visit, "Trials");
    visit(Field{"arms", "full, half, cut:N (N frozen blocks), last:N or lora:N; once for each arm"}
              .common(),
        self.arms);
    visit(Field{"rates",
              "times the rule's learning rate, tried for each arm beside it; a plan takes one "
              "that is clearly better"}
              .common()
              .range(1e-3, 1e3),
        self.rates);
    visit(Field{"steps", "of each arm, on the same batches; the last fifth is its cooldown"}
              .common()
              .range(2, 1e6),
        self.steps);
    visit(Field{"dev_documents", "dev documents that the arms are compared on"}.range(2, 1e9),
        self.dev_documents);
    visit(Field{"lora", "what the arms lora:N add: r=16,alpha=32,targets=all-linear"}.common(),
        self.lora);
    visit(Field{"output", "file to write the trials to"}.common(), self.output);
    RankOptions::fields(self.ranks, visit);
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems;
    require_model(model.model, problems);
    require_data(data.data, "the documents to train on", problems);
    if (data::reads_standard_input(data))
      problems.emplace_back(
          "--data -: a plan that takes the trials reads the rows again: they have to be in a file");
    if (arms.size() < 2) problems.emplace_back("--arms: at least two are needed, to be compared");
    require_output(output, problems);
    for (auto& problem : app::arm_problems(arms, lora)) problems.push_back(std::move(problem));
    return problems;
  }
};

int run_rank(const TrialOptions& options, distributed::Group* ranks, core::Progress& progress) {
  const bool writes = app::leads(ranks);
  if (writes) check_output_file(options.output, types::TrialTable::kSchema, options.common.force);
  app::Session session =
      app::open_model(options.model, true, app::AdapterUse::kMerge, /*scratch=*/{}, ranks);
  app::open_data(session, options.data, options.batch, progress, ranks);
  app::check_alike(ranks, session, core::to_json(options));
  std::vector<app::TrialRequest> arms;
  for (const std::string& name : options.arms) arms.push_back({name, options.rates});
  const app::TrialSetup setup{session, options.train, options.lora, options.dev_documents,
      core::folder_of(options.output), options.steps, ranks};
  const auto table = app::run_trials(setup, arms, std::nullopt, progress);
  if (!table) return 128 + core::stop_signal();
  if (!writes) return 0;
  core::write_document(options.output, *table);
  return print_result(
      options.common, core::to_json(*table), trials_text(*table) + written_text(options.output));
}

int run(const TrialOptions& options, core::Progress& progress) {
  return run_on_ranks(options, progress, &run_rank);
}

}  // namespace

Command trial_command() {
  return make_command<TrialOptions>(
      {"trial", "Train a few arms for some steps, for predictions that rest on these data",
          {"model"},
          "Examples:\n  salf trial smollm2 --data rows.jsonl -o trials.json\n"
          "  salf plan --profile profile.json --trials trials.json --budget 2h"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
