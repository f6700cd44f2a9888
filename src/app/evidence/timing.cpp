#include "app/evidence/timing.h"

#include <ATen/ops/zeros.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/statistics.h"
#include "cost/estimate.h"
#include "distributed/group.h"

namespace salf::app {
namespace {

// What is summed for a sample: more than caches hold, little beside a model.
constexpr std::int64_t kSampleElements = 4'000'000;
constexpr int kExchanges = 3;

// Seconds of a sum over ranks for each of its elements, float32 as gradients are.
double exchange_rate(distributed::Group& ranks, c10::Device device) {
  ranks.use_device(device);
  const at::Tensor sample =
      ranks.sendable(at::zeros({kSampleElements}, at::TensorOptions(at::kFloat).device(device)));
  ranks.all_reduce(sample);  // makes the connections
  std::vector<double> seconds;
  for (int i = 0; i < kExchanges; ++i) {
    const core::Stopwatch watch;
    ranks.all_reduce(sample);
    seconds.push_back(watch.seconds());
  }
  return core::median(seconds) / static_cast<double>(kSampleElements);
}

types::MeasuredCost cost_of_all(distributed::Group& ranks, const types::MeasuredCost& own) {
  std::vector<types::MeasuredCost> all;
  for (const std::string& text : ranks.all_gather(core::to_json(own).dump()))
    core::from_json(
        core::parse_json(text, "a rank's timing"), "a rank's timing", all.emplace_back());
  return cost::shared_by(ranks.size(), cost::slowest(all));
}

}  // namespace

MethodTiming time_methods(const Session& session, const train::TimingOptions& options,
    const std::vector<model::LoraLayer>* lora, core::Progress& progress,
    distributed::Group* ranks) {
  const data::Batcher rows = session.train_rows();
  train::TimingOptions once = options;
  once.seed = session.seed();
  MethodTiming timed{train::time_steps(*session.model, *session.graph, rows, once, progress), {}};
  const types::MeasuredCost own = timed.blocks.cost;  // of this rank
  const double exchange = ranks == nullptr ? 0.0 : exchange_rate(*ranks, session.device);
  const auto share = [&](types::MeasuredCost& cost) {
    if (ranks == nullptr) return;
    cost.exchange = exchange;
    cost = cost_of_all(*ranks, cost);
  };
  share(timed.blocks.cost);
  if (lora == nullptr) return timed;
  once.scratch.clear();
  if (session.graph->lora().empty()) once.without_branches = &own;
  timed.lora =
      train::time_steps(*session.model, session.graph->with_lora(*lora), rows, once, progress);
  share(timed.lora->cost);
  timed.lora->cost.save = timed.blocks.cost.save;
  return timed;
}

types::DataShape training_shape(const Session& session) {
  const data::Batcher rows = session.train_rows();
  types::DataShape shape;
  double weighted = 0.0;
  for (const auto& batch : rows.epoch(session.seed(), 0)) {
    const std::int64_t padded = batch.padded_tokens();
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
  for (const auto& batch : rows.in_order()) shape.dev_padded_tokens += batch.padded_tokens();
  shape.dev_supervised_tokens = rows.supervised_tokens();
}

}  // namespace salf::app
