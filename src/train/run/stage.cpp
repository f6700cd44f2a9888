#include "train/run/stage.h"

#include <ATen/core/grad_mode.h>

#include "core/log.h"
#include "cost/flops.h"

namespace salf::train {
namespace {

AdamWOptions adamw_options(const RunInputs& inputs) {
  const TrainOptions& options = inputs.how.options;
  const double ratio = inputs.what.plan.lora ? inputs.what.plan.lora->rate_ratio : 1.0;
  return {options.weight_decay, options.beta1, options.beta2, options.epsilon, ratio};
}

double rate_at(const types::FreezePlan& plan, std::int64_t cut) {
  const types::Candidate* const there = plan.candidates.at(plan.method(), cut);
  return cut == plan.cut || there == nullptr ? plan.learning_rate : there->learning_rate;
}

// Only the last cut's is kept for later runs. Nothing where the disk has no room: the run is slower
// then, not impossible.
void make_caches(const RunInputs& inputs, const data::Batcher& batcher,
    const std::vector<data::BatchPlan>& first, const char* split,
    std::vector<std::unique_ptr<PrefixCache>>& caches) {
  const std::vector<std::int64_t> cuts = inputs.what.plan.cuts();
  const TrainOptions& options = inputs.how.options;
  PrefixCache* shallower = nullptr;
  for (std::size_t i = cuts.size(); i-- > 0;) {
    if (cuts[i] == 0) continue;
    const bool narrow = inputs.what.graph.type() == c10::kBFloat16;
    CacheSetup setup{cuts[i], narrow ? types::CacheType::kBFloat16 : options.cache_dtype,
        inputs.where.folder, "", inputs.where.cache_key, shallower};
    if (options.keep_cache && cuts[i] == inputs.what.plan.cut)
      setup.name = std::string(split) + ".prefix-cache";
    setup.key["compute_type"] = c10::toString(inputs.what.graph.type());
    try {
      caches[i] = std::make_unique<PrefixCache>(inputs.what.graph, batcher, first, setup);
    } catch (const Error& error) {
      core::log_warning(std::string("the frozen part is run in every epoch: ") + error.what());
    }
    shallower = caches[i].get();
  }
}

// What a token attends to at most, in tokens: the mean over the tokens of their segments' lengths.
double attended(const tensor::Batch& batch) {
  if (!batch.segments.defined()) return static_cast<double>(batch.length());
  const std::int64_t* begin = batch.segments.const_data_ptr<std::int64_t>();
  double pairs = 0.0;
  for (std::int64_t i = 0; i + 1 < batch.segments.size(0); ++i) {
    const auto length = static_cast<double>(begin[i + 1] - begin[i]);
    pairs += length * length;
  }
  return pairs / static_cast<double>(batch.padded_tokens());
}

bool keeps_dev_prefix(const RunInputs& inputs) {
  const bool used_again = inputs.what.plan.evaluations > 1 || inputs.how.options.keep_cache;
  return !inputs.how.options.no_cache && used_again && inputs.what.dev.rows() > 0;
}

}  // namespace

bool keeps_prefix(const RunInputs& inputs) {
  const TrainOptions& options = inputs.how.options;
  const bool used_again = inputs.what.plan.epochs > 1.0 || options.keep_cache;
  return !options.no_cache && used_again;
}

double training_flops(
    const types::ModelShape& shape, const tensor::Batch& batch, std::int64_t cut, bool cached) {
  const types::CostBreakdown flops = cost::batch_flops(shape, cut,
      {static_cast<double>(batch.padded_tokens()), static_cast<double>(batch.supervised_tokens),
          attended(batch)});
  return flops.total() - (cached ? flops.prefix : 0.0);
}

StageCaches::StageCaches(const RunInputs& inputs)
    : train_(inputs.what.plan.cuts().size()), dev_(train_.size()) {
  const RunSubject& what = inputs.what;
  if (keeps_prefix(inputs))
    make_caches(inputs, what.train, what.train.epoch(inputs.how.seed, 0), "train", train_);
  if (keeps_dev_prefix(inputs)) make_caches(inputs, what.dev, what.dev.in_order(), "dev", dev_);
}

bool StageCaches::complete() const {
  return (!train_.back() || train_.back()->complete()) && (!dev_.back() || dev_.back()->complete());
}

std::optional<types::CacheUse> StageCaches::use() const {
  std::optional<types::CacheUse> all;
  for (const auto* caches : {&train_, &dev_}) {
    for (const auto& cache : *caches) {
      if (!cache) continue;
      const types::CacheUse one = cache->use();
      if (!all) {
        all = one;
        continue;
      }
      all->bytes += one.bytes;
      all->rows += one.rows;
      all->complete = all->complete && one.complete;
      all->rows_computed += one.rows_computed;
      all->rows_read += one.rows_read;
    }
  }
  return all;
}

Stage::Stage(const RunInputs& inputs, const StageCaches& caches, std::size_t place)
    : index(place), cut(inputs.what.plan.cuts()[place]),
      learning_rate(rate_at(inputs.what.plan, cut)), cache(caches.train(place)),
      dev_cache(caches.dev(place)),
      freeze(inputs.what.model, inputs.what.graph, cut,
          inputs.what.plan.lora ? inputs.what.plan.lora->whole : std::nullopt),
      optimizer(freeze.trained(), adamw_options(inputs), inputs.what.graph.narrow_weights()),
      runner(inputs.what.graph, freeze, optimizer,
          {cut, inputs.how.options.clip, inputs.how.options.recompute, cache}),
      best(freeze.trained(), inputs.where.folder) {}

std::unique_ptr<Stage> next_stage(
    std::unique_ptr<Stage> stage, const RunInputs& inputs, const StageCaches& caches) {
  const at::NoGradGuard quiet;
  std::vector<std::pair<at::Tensor, at::Tensor>> now;
  for (const auto& parameter : stage->freeze.trained())
    now.emplace_back(parameter.tensor, parameter.tensor.detach().clone());
  const std::vector<tensor::NamedTensor> moments = stage->optimizer.state("adam/");
  const std::int64_t steps = stage->optimizer.steps();
  const std::size_t next = stage->index + 1;
  stage->best.restore();
  stage.reset();
  stage = std::make_unique<Stage>(inputs, caches, next);
  stage->best.take();
  for (auto& [live, copy] : now) live.copy_(copy);
  stage->optimizer.load_state(moments, "adam/", steps);
  return stage;
}

}  // namespace salf::train
