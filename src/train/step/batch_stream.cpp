#include "train/step/batch_stream.h"

#include "core/error.h"

namespace salf::train {

BatchStream::BatchStream(
    const data::Batcher& batcher, std::uint64_t seed, std::int64_t epoch, std::int64_t batch)
    : batcher_(batcher), seed_(seed), epoch_(epoch), batch_(batch),
      plans_(batcher.epoch(seed, epoch)) {
  if (plans_.empty()) {
    throw Error(ErrorKind::kBadInput,
        "the training split has no documents; give more rows or smaller --dev-share and "
        "--test-share");
  }
  if (batch_ < 0 || batch_ >= batches_of_epoch()) {
    throw Error(ErrorKind::kBadInput,
        "checkpoint: epoch " + std::to_string(epoch) + " has no batch " + std::to_string(batch));
  }
}

tensor::Batch BatchStream::next() {
  tensor::Batch made = batcher_.make(plan());
  pass();
  return made;
}

void BatchStream::pass() {
  if (++batch_ < batches_of_epoch()) return;
  batch_ = 0;
  plans_ = batcher_.epoch(seed_, ++epoch_);
}

}  // namespace salf::train
