#include "app/evidence/timing.h"

namespace salf::app {

MethodTiming time_methods(const Session& session, const train::TimingOptions& options,
    const std::vector<model::LoraLayer>* lora, core::Progress& progress) {
  const data::Batcher rows = session.train_rows();
  train::TimingOptions once = options;
  once.seed = session.seed();
  once.autocast = session.autocast();
  MethodTiming timed{train::time_steps(*session.model, *session.graph, rows, once, progress), {}};
  if (lora == nullptr) return timed;
  once.scratch.clear();
  timed.lora =
      train::time_steps(*session.model, session.graph->with_lora(*lora), rows, once, progress);
  timed.lora->cost.save = timed.blocks.cost.save;
  return timed;
}

}  // namespace salf::app
