#include "app/evidence/timing.h"

namespace salf::app {

MethodTiming time_methods(const Session& session, const train::TimingOptions& options,
    const std::vector<model::LoraLayer>* lora, core::Progress& progress) {
  const data::Batcher rows = session.train_rows();
  train::TimingOptions once = options;
  once.seed = session.seed();
  MethodTiming timed{train::time_steps(*session.model, *session.graph, rows, once, progress), {}};
  if (lora == nullptr) return timed;
  once.scratch.clear();
  timed.lora =
      train::time_steps(*session.model, session.graph->with_lora(*lora), rows, once, progress);
  timed.lora->cost.save = timed.blocks.cost.save;
  return timed;
}

types::DataShape training_shape(const Session& session) {
  const data::Batcher rows = session.train_rows();
  types::DataShape shape;
  double weighted = 0.0;
  for (const auto& batch : rows.epoch(session.seed(), 0)) {
    const std::int64_t padded = static_cast<std::int64_t>(batch.rows.size()) * batch.length;
    ++shape.batches;
    shape.padded_tokens += padded;
    weighted += static_cast<double>(rows.attention_pairs(batch));
  }
  shape.documents = static_cast<std::int64_t>(session.dataset->indices(data::Split::kTrain).size());
  shape.real_tokens = rows.real_tokens();
  shape.supervised_tokens = rows.supervised_tokens();
  if (shape.padded_tokens > 0)
    shape.mean_length = weighted / static_cast<double>(shape.padded_tokens);
  return shape;
}

void set_dev_shape(
    const Session& session, const std::vector<std::int64_t>& documents, types::DataShape& shape) {
  const data::Batcher rows = session.rows(documents);
  shape.dev_documents = static_cast<std::int64_t>(documents.size());
  shape.dev_padded_tokens = 0;
  for (const auto& batch : rows.in_order())
    shape.dev_padded_tokens += static_cast<std::int64_t>(batch.rows.size()) * batch.length;
  shape.dev_supervised_tokens = rows.supervised_tokens();
}

}  // namespace salf::app
