// How many tokens a batch has on a GPU.
#include "policy/batch_size.h"

#include "app/evidence/analysis.h"
#include "app/planning/planning.h"
#include "core/json.h"
#include "core/log.h"
#include "cost/estimate.h"
#include "distributed/group.h"
#include "distributed/machines.h"
#include "tensor/device.h"
#include "tensor/device_memory.h"
#include "types/validate.h"

namespace salf::app {
namespace {

class BatchMeasures {
 public:
  BatchMeasures(const Session& session, const PlanningRequest& request)
      : session_(session), batches_(request.batches), shape_(session.shape()),
        cut_(wanted_cut(request.lora, request.options.cut)) {
    if (request.lora) shape_.block_trained_parameters = trained_of_blocks(shape_, *request.lora);
    timing_.cut = cut_.value_or(0);
    timing_.seed = session.seed();
    cost_ = train::measure_memory(*session.model, *session.graph, session.train_rows(), timing_);
  }

  // Where no cut was given, that of full fine-tuning if it fits with the usual batches, else that
  // of the middle, which is timed.
  void settle_cut(std::int64_t usual, double memory_bytes) {
    if (!cut_) cut_ = bytes_at(0, usual) <= memory_bytes ? 0 : shape_.blocks / 2;
  }

  double bytes(std::int64_t tokens) const { return bytes_at(cut_.value_or(0), tokens); }

  std::optional<double> seconds(std::int64_t tokens) const {
    Session with = session_;
    with.batch.batch_tokens = tokens;
    try {
      return train::seconds_per_token(*with.model, *with.graph, with.train_rows(), timing_);
    } catch (const std::exception& error) {
      if (tensor::out_of_memory(error)) return std::nullopt;
      throw;
    }
  }

 private:
  double bytes_at(std::int64_t cut, std::int64_t tokens) const {
    cost::MemoryOptions options = policy::memory_options(batches_, shape_.method());
    options.batch_tokens = tokens;
    return cost::peak_bytes(cost_, shape_, cut, options);
  }

  const Session& session_;
  const policy::BatchSetting& batches_;
  types::ModelShape shape_;
  std::optional<std::int64_t> cut_;
  train::TimingOptions timing_;
  types::MeasuredCost cost_;
};

// Of this rank's GPU, and within what the user allows.
double memory_limit(const Session& session, const PlanningRequest& request) {
  const auto usable = static_cast<double>(tensor::device_memory(session.device).usable);
  const policy::Limits limits =
      request.options.limits(wanted_cut(request.lora, request.options.cut));
  return std::min(usable, limits.max_memory_bytes.value_or(usable));
}

policy::BatchSizeTerms terms_of(const Session& session, const PlanningRequest& request) {
  const data::Batcher rows = session.train_rows();
  policy::BatchSizeTerms terms;
  terms.usual = session.batch.tokens();
  terms.smallest = std::max(rows.longest_row(), session.batch.pack);
  terms.accumulate = request.batches.accumulate;
  terms.min_steps = request.options.min_steps;
  terms.epoch_tokens = static_cast<double>(rows.real_tokens());
  const types::Budget& budget = request.budget;
  const auto epochs = counted_epochs(budget, terms.accumulate, rows);
  if (epochs && budget.unit != types::BudgetUnit::kSteps)
    terms.tokens = *epochs * terms.epoch_tokens;
  if (!budget.deterministic() && budget.clock_seconds() > 0.0)
    terms.seconds = budget.clock_seconds();
  return terms;
}

policy::BatchSize find_batch_size(
    const Session& session, const PlanningRequest& request, double memory_bytes) {
  policy::BatchSizeTerms terms = terms_of(session, request);
  terms.memory_bytes = memory_bytes;
  BatchMeasures measures(session, request);
  measures.settle_cut(terms.usual, memory_bytes);
  return policy::choose_batch_size(
      terms, {[&measures](std::int64_t tokens) { return measures.bytes(tokens); },
                 [&measures](std::int64_t tokens) { return measures.seconds(tokens); }});
}

policy::BatchSize shared_batch_size(const Session& session, const PlanningRequest& request) {
  distributed::Group* const ranks = request.ranks;
  const double least = -distributed::greatest(ranks, -memory_limit(session, request));
  if (ranks == nullptr) return find_batch_size(session, request, least);
  const distributed::Group::LongWork long_work(ranks, "choosing the size of batches");
  core::Json chosen;
  if (ranks->leads()) {
    const policy::BatchSize size = find_batch_size(session, request, least);
    chosen = {{"tokens", size.tokens}, {"reason", size.reason}};
  }
  chosen = core::parse_json(ranks->broadcast(chosen.dump()), "rank 0's batch size");
  return {chosen.at("tokens").get<std::int64_t>(), chosen.at("reason").get<std::string>()};
}

}  // namespace

void choose_batch_size(Session& session, PlanningRequest& request, core::Progress& progress) {
  if (!session.device.is_cuda() || session.batch.batch_tokens) return;
  if (session.train_rows().rows() == 0) return;  // planning says what is missing
  progress.begin("choosing the size of batches", 0, "");
  const policy::BatchSize size = shared_batch_size(session, request);
  progress.end();
  session.batch.batch_tokens = request.batches.batch_tokens = size.tokens;
  request.batches.reason = size.reason;
  core::log_info(
      "batches of " + std::to_string(size.tokens) + " tokens (--batch-tokens): " + size.reason);
}

}  // namespace salf::app
