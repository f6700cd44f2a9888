// The calls that leave the model as it is.
#include "api/calls.h"
#include "app/evidence/analysis.h"
#include "app/evidence/evaluation.h"
#include "app/planning/planning.h"
#include "convert/export/export.h"
#include "core/clock.h"
#include "policy/rules.h"
#include "types/validate.h"

namespace salf {

static_assert(static_cast<int>(Split::kTest) == static_cast<int>(data::Split::kTest));
static_assert(static_cast<int>(Format::kTorchScript) ==
              static_cast<int>(convert::ExportFormat::kTorchScript));

Profile Session::analyze(const AnalyzeOptions& options) {
  app::AnalysisRequest request;
  request.calibration.documents = options.documents;
  request.calibration.max_documents = options.max_documents;
  api::complete("analyze", options.more, request.calibration);
  api::ObservedProgress progress(options.observer);
  const types::LayerProfile profile =
      api::unless_stopped(app::analyze(impl_->whole(), request, progress));
  types::check(profile, "profile");
  const types::Deviation& measured = policy::rule_deviations(profile).front();
  const types::RuleChoice choice =
      policy::choose_with_stability(types::Rule::kMaxGain, {}, measured);
  return {measured.deviation, measured.standard_error, measured.gain, choice.cut, choice.stability,
      profile.seconds, api::document_text(profile)};
}

Plan Session::plan(const Profile& profile, const PlanOptions& options) {
  app::PlanningOptions planning;
  planning.budget = options.budget;
  planning.cut = options.cut;
  planning.max_epochs = options.max_epochs;
  app::LoraOptions lora;
  api::complete("plan", options.more, planning, lora);
  app::Session opened = impl_->session;
  api::refuse("plan", planning.problems());
  api::refuse("plan", lora.problems(planning, opened.options.adapter));
  auto known = core::document_from<types::LayerProfile>(
      core::parse_json(profile.json, "profile"), "profile");
  types::check(known, "profile");
  app::check_made_for(known.provenance, opened, "profile");
  core::restart_process_seconds();  // when the energy watch begins
  app::EnergyWatch energy(planning.rates, opened.options, planning.parsed_budget());
  app::PlanningRequest request = app::planning_request(planning, lora, std::move(known), opened);
  request.scratch = options.folder;
  api::ObservedProgress progress(options.observer);
  const types::FreezePlan made =
      api::unless_stopped(app::Planning(opened, std::move(request), &energy, progress).plan());
  app::check_affordable(made);
  Plan result{made.cut, made.lora.has_value(), made.steps, made.learning_rate,
      made.predicted_seconds.total(), made.loss_before, {}, made.reason, api::document_text(made)};
  const types::Candidate* const chosen = made.chosen();
  if (made.loss_before && chosen != nullptr && chosen->loss) result.loss = chosen->loss->value;
  return result;
}

Evaluation Session::evaluate(const EvaluateOptions& options) {
  if (options.documents < 0) api::refuse("evaluate", {"documents: expected 0 or more"});
  api::ObservedProgress progress(options.observer);
  const auto split = static_cast<data::Split>(options.split);
  types::EvaluationRecord record =
      api::unless_stopped(app::evaluate(impl_->whole(), split, options.documents, progress));
  const types::Evaluation& tokens = record.tokens;
  Evaluation result{tokens.documents, tokens.supervised_tokens, tokens.loss.value,
      tokens.standard_error, tokens.perplexity.value, tokens.accuracy.value, {}, tokens.seconds,
      api::document_text(record)};
  if (record.choices) result.choice_accuracy = record.choices->accuracy.value;
  return result;
}

Export export_model(const std::string& model, const ExportOptions& options) {
  convert::ExportOptions request;
  request.model = model;
  request.output = options.output;
  request.to = static_cast<convert::ExportFormat>(options.format);
  api::complete("export_model", options.more, request);
  api::refuse("export_model", request.problems());
  api::ObservedProgress progress(options.observer);
  const convert::ExportResult result =
      api::unless_stopped(convert::export_model(request, progress, options.replace));
  return {result.files, result.bytes, api::document_text(result)};
}

}  // namespace salf
