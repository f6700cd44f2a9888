#include "app/training/tuning.h"

#include <algorithm>
#include <filesystem>

#include "app/evidence/evaluation.h"
#include "app/session/frozen_blocks.h"
#include "app/training/shared_run.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "model/weights/lora.h"
#include "policy/stages.h"

namespace salf::app {
namespace {

// Saving once, with room for a disk that is slower than while it was timed, and for closing the
// record.
constexpr double kSavingReserve = 1.5;
constexpr double kClosingSeconds = 1.0;
// Share of a budget by the clock that may be left without a word.
constexpr double kUnusedShare = 0.1;

// Decides by predicted losses, with the evidence of this run.
class PredictedStages : public train::StageDecider {
 public:
  PredictedStages(const types::FreezePlan& plan, policy::PredictionBasis basis)
      : predictor_(std::move(basis), plan.shape), loss_before_(plan.loss_before) {}
  types::StageDecision decide(const types::StageEnd& end) override {
    return policy::decide_stage(predictor_, end, loss_before_);
  }

 private:
  policy::Predictor predictor_;
  std::optional<double> loss_before_;
};

core::Json identity(const Session& session, const core::Json& recorded) {
  return {{"model", session.weights_hash}, {"data", session.dataset->hash},
      {"tokenizer", session.tokenizer->hash()}, {"options", recorded}};
}

core::Json cache_key(const Session& session, FrozenType frozen) {
  const types::Provenance made = session.provenance();
  return {{"model", made.model_hash}, {"tokenizer", made.tokenizer_hash},
      {"frozen_dtype", core::enum_to_string(frozen)},
      {"fitted_to", made.data_hash + " " + std::to_string(session.seed())},  // int8 and int4
      {"salf", made.salf_version}, {"torch", made.torch_version}};
}

std::unique_ptr<train::StageDecider> stage_decider(
    const types::FreezePlan& plan, const TuningRequest& request) {
  if (plan.stages.empty()) return nullptr;
  policy::PredictionBasis basis;
  basis.prior = policy::read_prior(request.prior);
  basis.trials = request.trials;
  basis.gradient_agreement = plan.gradient_agreement;
  return std::make_unique<PredictedStages>(plan, std::move(basis));
}

void save_adapter(
    const Session& session, const LoraStart& lora, const std::filesystem::path& folder) {
  if (lora.settings.whole) {
    core::log_info(
        "no adapter is written, since whole blocks were tuned as well: model.pt has everything");
    return;
  }
  std::filesystem::create_directories(folder / "adapter");
  convert::write_peft_adapter(folder / "adapter", *session.model, *session.graph,
      session.graph->lora(), lora.settings, {session.options.model, session.archive_hash});
}

}  // namespace

void check_gates(const std::vector<std::string>& gates, const Session& session) {
  if (!session.dataset->indices(data::Split::kDev).empty()) return;
  for (const types::Gate& gate : types::parse_gates(gates)) {
    if (!types::needs_evaluation(gate.metric)) continue;
    throw Error(ErrorKind::kUsage,
        "--gate " + types::format_gate(gate) +
            ": there are no dev documents to evaluate: give a larger --dev-share, or more rows");
  }
}

types::RunRecord tune(const Session& given, const types::FreezePlan& plan,
    const TuningRequest& request, EnergyWatch& energy, core::Progress& progress) {
  const QuantizedSession quantized = quantize_blocks(request.frozen, given, plan.cut);
  Session session = quantized.session;
  session.batch = {plan.batch_tokens, plan.pack};
  data::Batcher train_rows = session.train_rows();
  train_rows.deal(plan.shards.value_or(1));
  const data::Batcher dev_rows = session.rows(session.dev_documents(plan.data.dev_documents));
  const std::unique_ptr<train::StageDecider> stages = stage_decider(plan, request);
  std::optional<SharedStages> shared_stages;
  if (stages && request.ranks != nullptr) shared_stages.emplace(*request.ranks, *stages);
  BudgetClock clock(energy, plan);
  std::optional<DevLossKeeper> dev_losses;
  if (leads(request.ranks))
    dev_losses.emplace(*session.dataset, request.folder / "dev_losses.json", request.resume);
  train::TrainInputs inputs{{{*session.model, *session.graph, train_rows, dev_rows, plan},
      {request.options, session.seed()},
      {request.folder, identity(session, request.recorded), cache_key(session, request.frozen),
          request.scratch}}};
  inputs.run.ranks = request.ranks;
  inputs.resume = request.resume;
  inputs.replay = request.replay;
  inputs.before = request.before;
  inputs.clock = &clock;
  inputs.closing_seconds = kSavingReserve * cost::save_seconds(plan.cost, plan.shape) +
                           kClosingSeconds + request.reserved_seconds;
  inputs.stages = shared_stages ? &*shared_stages : stages.get();
  inputs.gates = request.gates;
  inputs.observers = request.observers;
  if (dev_losses) inputs.observers.insert(inputs.observers.begin(), &*dev_losses);
  return train::train(inputs, progress);
}

std::string unused_text(const types::RunRecord& record, double spent) {
  const double budget = record.plan.budget.clock_seconds();
  const double left = budget - spent;
  if (record.plan.budget.deterministic() || left <= kUnusedShare * budget) return "";
  const std::string text =
      core::format_seconds(left) + " of " + core::format_seconds(budget) + " were left: ";
  if (record.status == types::RunStatus::kStoppedEarly)
    return text + "the dev loss no longer fell (--patience)";
  if (record.plan.most_steps > 0 && record.steps >= record.plan.most_steps) {
    return text + (record.plan.aim != types::Aim::kBest
                          ? "no more steps are needed for --max-loss-increase"
                          : "--max-epochs was reached");
  }
  if (record.status != types::RunStatus::kFinished &&
      record.status != types::RunStatus::kBudgetReached)
    return "";
  return text +
         "another step as slow as the slowest lately, the last evaluation and saving might not "
         "have fit";
}

namespace {

// Adds an id to eos_token_id of generation_config.json, where generate() looks for what ends a
// text.
void add_end_token(const std::filesystem::path& path, const Session& session, std::int64_t id) {
  core::Json json =
      std::filesystem::exists(path) ? core::read_json_file(path) : core::Json::object();
  const core::Json* const given = core::find_member(json, "eos_token_id");
  core::Json ids = core::Json::array();
  if (given != nullptr && given->is_array()) ids = *given;
  if (given != nullptr && given->is_number_integer()) ids.push_back(*given);
  if (ids.empty() && session.tokenizer->eos_id()) ids.push_back(*session.tokenizer->eos_id());
  if (std::find(ids.begin(), ids.end(), core::Json(id)) != ids.end()) return;
  ids.insert(ids.begin(), id);
  json["eos_token_id"] = ids;
  core::write_json_file(path, json);
}

// The template that the rows were written with goes with the model, and so does the token that ends
// its turns: other tools ask the model as it was tuned, and stop where it does.
void save_chat_template(const Session& session, const std::filesystem::path& folder) {
  const data::Dataset& rows = *session.dataset;
  if (rows.template_source.empty()) return;
  if (data::read_model_template(session.files.tokenizer).text != rows.template_source)
    core::write_file_atomically(folder / "chat_template.jinja", rows.template_source);
  if (rows.turn_end && rows.turn_end != session.tokenizer->eos_id())
    add_end_token(folder / "generation_config.json", session, *rows.turn_end);
}

}  // namespace

void save_model(const Session& session, const std::optional<LoraStart>& lora,
    const std::filesystem::path& folder) {
  if (lora) {
    save_adapter(session, *lora, folder);
    model::merge_lora(*session.model, session.graph->lora());
  }
  session.model->save(folder / "model.pt");
  model::ModelCard card = session.files.card;
  card.blocks = session.graph->map().container;
  card.source = session.files.archive.string();
  card.source_hash = session.weights_hash;
  card.weights_hash.clear();
  model::write_model_files(folder, session.files, card);
  save_chat_template(session, folder);
}

}  // namespace salf::app
