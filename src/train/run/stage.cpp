#include "train/run/stage.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/log.h"
#include "cost/flops.h"
#include "distributed/group.h"
#include "model/weights/narrow_weights.h"
#include "ops/bf16_products.h"
#include "train/evaluate.h"

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

// "-1-of-4": of a rank's rows.
std::string rank_suffix(const RunInputs& inputs) {
  if (inputs.ranks == nullptr) return "";
  return "-" + std::to_string(inputs.ranks->rank()) + "-of-" + std::to_string(inputs.ranks->size());
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
        inputs.where.nameless(), "", inputs.where.cache_key, shallower};
    if (options.keep_cache && cuts[i] == inputs.what.plan.cut) {
      setup.folder = inputs.where.folder;
      setup.name = std::string(split) + rank_suffix(inputs) + ".prefix-cache";
    }
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

// Parameters that several parts of the model share. Where blocks are run again in the backward
// pass, each part has a pass of its own.
std::set<std::string> made_in_passes(const RunInputs& inputs) {
  if (!inputs.how.options.recompute) return {};
  const model::GraphCut& graph = inputs.what.graph;
  std::vector<std::string> names = graph.final_parameters();
  names.push_back(graph.map().head_parameter);
  names.push_back(graph.map().embedding_parameter);
  for (std::int64_t block = 0; block < graph.map().blocks; ++block) {
    for (auto& name : graph.block_parameters(block)) names.push_back(std::move(name));
  }
  std::set<std::string> once, several;
  if (graph.map().tied) several = {graph.map().head_parameter, graph.map().embedding_parameter};
  for (const auto& name : names) {
    if (!once.insert(name).second) several.insert(name);
  }
  return several;
}

std::unique_ptr<GradientSum> gradient_sum(const RunInputs& inputs, const Freeze& freeze) {
  const std::int64_t shards = inputs.what.plan.shards.value_or(1);
  if (shards == 1 && inputs.ranks == nullptr) return nullptr;
  return std::make_unique<GradientSum>(
      freeze.trained(), SumSetup{inputs.ranks, shards, read_by_copies(inputs, freeze.trained()),
                            made_in_passes(inputs), updates_part(inputs)});
}

std::unique_ptr<WeightPart> weight_part(
    const RunInputs& inputs, const Freeze& freeze, const GradientSum* sum) {
  if (!updates_part(inputs)) return nullptr;
  return std::make_unique<WeightPart>(
      *inputs.ranks, freeze.trained(), sum->pieces(), inputs.what.graph.narrow_weights());
}

// The first epoch's batches of this process.
std::vector<data::BatchPlan> own_batches(const RunInputs& inputs) {
  std::vector<data::BatchPlan> own = inputs.what.train.epoch(inputs.how.seed, 0);
  if (inputs.ranks == nullptr) return own;
  const ShardRange mine = own_shards(inputs);
  std::vector<data::BatchPlan> kept;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const std::int64_t shard = static_cast<std::int64_t>(i) % inputs.what.train.shards();
    if (shard >= mine.begin && shard < mine.end) kept.push_back(std::move(own[i]));
  }
  return kept;
}

bool keeps_dev_prefix(const RunInputs& inputs) {
  const bool used_again = inputs.what.plan.evaluations > 1 || inputs.how.options.keep_cache;
  return !inputs.how.options.no_cache && used_again && inputs.what.dev.rows() > 0;
}

}  // namespace

ShardRange own_shards(const RunInputs& inputs) {
  const std::int64_t shards = inputs.what.plan.shards.value_or(1);
  if (inputs.ranks == nullptr) return {0, shards};
  return shards_of(inputs.ranks->rank(), inputs.ranks->size(), shards);
}

// LoRA trains so little that its moments are worth no message more in each step.
bool updates_part(const RunInputs& inputs) {
  const bool lora = !inputs.what.graph.lora().empty();
  const types::Method method = lora ? types::Method::kLora : types::Method::kBlocks;
  if (inputs.ranks == nullptr || !types::shards(inputs.how.options.shard_optimizer, method))
    return false;
  const auto& parameters = inputs.what.model.parameters();
  return std::all_of(parameters.begin(), parameters.end(),
      [](const model::Parameter& one) { return one.tensor.is_contiguous(); });
}

// The factors of the blocks' products. The head's and the embedding's weights, biases and norms are
// read as they are, and so is what stands beside branches of low rank.
std::set<std::string> read_by_copies(
    const RunInputs& inputs, const std::vector<model::Parameter>& parameters) {
  const model::GraphCut& graph = inputs.what.graph;
  if (!graph.narrow_weights() || !graph.lora().empty()) return {};
  const bool by_copies = !graph.head_weight().is_cpu() || ops::has_bf16_products();
  if (inputs.ranks != nullptr) {  // they cut the weights up alike, also on different processors
    const auto all = inputs.ranks->all_gather(std::vector<double>{by_copies ? 1.0 : 0.0});
    if (*std::min_element(all.begin(), all.end()) < 1.0) return {};
  }
  if (!by_copies) return {};
  std::set<std::string> blocks, found;
  for (std::int64_t block = 0; block < graph.map().blocks; ++block)
    for (auto& name : graph.block_parameters(block)) blocks.insert(std::move(name));
  for (const auto& parameter : parameters) {
    if (blocks.count(parameter.name) > 0 &&
        graph.narrow_weights()->to_write(parameter.tensor).defined())
      found.insert(parameter.name);
  }
  return found;
}

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
  if (keeps_prefix(inputs)) make_caches(inputs, what.train, own_batches(inputs), "train", train_);
  if (keeps_dev_prefix(inputs))
    make_caches(inputs, what.dev, evaluated_batches(what.dev, inputs.ranks), "dev", dev_);
}

bool StageCaches::complete() const {
  return (!train_.back() || train_.back()->complete()) && (!dev_.back() || dev_.back()->complete());
}

std::optional<types::CacheUse> StageCaches::use() const {
  std::optional<types::CacheUse> all;
  for (const auto* caches : {&train_, &dev_}) {
    for (const auto& cache : *caches) {
      if (cache) all = all ? sum_of(*all, cache->use()) : cache->use();
    }
  }
  return all;
}

types::CacheUse sum_of(types::CacheUse use, const types::CacheUse& more) {
  use.bytes += more.bytes;
  use.rows += more.rows;
  use.complete = use.complete && more.complete;
  use.rows_computed += more.rows_computed;
  use.rows_read += more.rows_read;
  return use;
}

Stage::Stage(const RunInputs& inputs, const StageCaches& caches, std::size_t place)
    : index(place), cut(inputs.what.plan.cuts()[place]),
      learning_rate(rate_at(inputs.what.plan, cut)), cache(caches.train(place)),
      dev_cache(caches.dev(place)),
      freeze(inputs.what.model, inputs.what.graph, cut,
          inputs.what.plan.lora ? inputs.what.plan.lora->whole : std::nullopt),
      sum(gradient_sum(inputs, freeze)), part(weight_part(inputs, freeze, sum.get())),
      optimizer(part ? part->ranges() : freeze.trained(), adamw_options(inputs),
          part ? nullptr : inputs.what.graph.narrow_weights()),
      runner(inputs.what.graph, freeze, optimizer,
          {cut, inputs.how.options.clip, inputs.how.options.recompute, cache, sum.get(),
              part.get()}),
      best(freeze.trained(), inputs.where.nameless()) {}

void Stage::gather_weights() {
  if (part) part->gather_weights();
}

std::vector<tensor::NamedTensor> Stage::optimizer_state(
    const std::string& prefix, const std::filesystem::path& folder, bool wanted) {
  if (part) return part->state(optimizer, prefix, folder, wanted);
  return wanted ? optimizer.state(prefix) : std::vector<tensor::NamedTensor>();
}

void Stage::load_optimizer_state(const std::vector<tensor::NamedTensor>& tensors,
    const std::string& prefix, std::int64_t steps) {
  if (!part) return optimizer.load_state(tensors, prefix, steps);
  part->weights_changed();
  part->load_state(optimizer, tensors, prefix, steps);
}

std::unique_ptr<Stage> next_stage(
    std::unique_ptr<Stage> stage, const RunInputs& inputs, const StageCaches& caches) {
  const at::NoGradGuard quiet;
  stage->gather_weights();
  const std::vector<model::Parameter> trained = stage->freeze.trained();
  const std::vector<tensor::NamedTensor> now =
      copies_of(weight_tensors(trained, ""), inputs.where.nameless());
  const std::vector<tensor::NamedTensor> moments =
      stage->optimizer_state("adam/", inputs.where.nameless(), /*wanted=*/true);
  const std::int64_t steps = stage->optimizer.steps();
  const std::size_t next = stage->index + 1;
  stage->best.restore();
  stage.reset();
  stage = std::make_unique<Stage>(inputs, caches, next);
  stage->best.take();
  load_weights(trained, now, "");
  stage->load_optimizer_state(moments, "adam/", steps);
  return stage;
}

}  // namespace salf::train
