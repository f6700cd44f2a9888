#include "train/run/batch_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tensor/transfer.h"

namespace salf::train {

BatchQueue::BatchQueue(const RunInputs& inputs, std::int64_t epoch, std::int64_t batch)
    : inputs_(inputs), stream_(inputs.what.train, inputs.how.seed, epoch, batch),
      of_epoch_(stream_.batches_of_epoch()) {}

BatchQueue::Drawn BatchQueue::draw(const Stage& stage) {
  const ShardRange own = own_shards(inputs_);
  const data::Batcher& rows = inputs_.what.train;
  Drawn drawn;
  drawn.epoch = stream_.epoch();
  drawn.shard = stream_.batch() % rows.shards();
  drawn.own = drawn.shard >= own.begin && drawn.shard < own.end;
  if (stage.sum)
    drawn.tokens = {rows.real_tokens(stream_.plan()), rows.supervised_tokens(stream_.plan())};
  if (drawn.own) {
    drawn.batch = tensor::on_device(stream_.next(), inputs_.what.graph.head_weight().device());
  } else {
    stream_.pass();
  }
  drawn.next_epoch = stream_.epoch();
  drawn.next_batch = stream_.batch();
  drawn.of_epoch = stream_.batches_of_epoch();
  return drawn;
}

void BatchQueue::draw_ahead(const Stage& stage) {
  while (static_cast<std::int64_t>(drawn_.size()) < inputs_.what.plan.accumulate) {
    drawn_.push_back(draw(stage));
    if (stage.cache != nullptr && drawn_.back().own) stage.cache->send_ahead(drawn_.back().batch);
  }
}

StepBatches BatchQueue::take(const Stage& stage) {
  const types::ModelShape& shape = inputs_.what.plan.shape;
  const bool cached = stage.cache != nullptr;
  const ShardRange own = own_shards(inputs_);
  const std::int64_t shards = inputs_.what.plan.shards.value_or(1);
  std::vector<std::vector<tensor::Batch>> of_shard(static_cast<std::size_t>(own.end - own.begin));
  StepBatches taken;
  for (std::int64_t i = 0; i < inputs_.what.plan.accumulate; ++i) {
    if (drawn_.empty()) drawn_.push_back(draw(stage));
    Drawn next = std::move(drawn_.front());
    drawn_.pop_front();
    if (i == 0) taken.epoch = next.epoch;
    taken.next_epoch = next.next_epoch;
    taken.next_batch = next.next_batch;
    of_epoch_ = next.of_epoch;
    taken.tokens.real += next.tokens.real;
    taken.tokens.supervised += next.tokens.supervised;
    if (!next.own) continue;
    const tensor::Batch& batch =
        of_shard[static_cast<std::size_t>(next.shard - own.begin)].emplace_back(
            std::move(next.batch));
    taken.flops += training_flops(shape, batch, stage.cut, next.epoch > 0 && cached);
    if (!cached || !stage.cache->holds(batch)) continue;
    taken.flops_avoided += training_flops(shape, batch, stage.cut, false) -
                           training_flops(shape, batch, stage.cut, true);
  }
  for (auto& batches : of_shard)
    std::move(batches.begin(), batches.end(), std::back_inserter(taken.batches));
  if (stage.sum) stage.sum->begin(taken.tokens, inputs_.what.plan.accumulate / shards);
  return taken;
}

}  // namespace salf::train
