#include "train/step/gradient_sum.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/clock.h"
#include "distributed/group.h"

namespace salf::train {
namespace {

// Bytes that are sent together: large enough for the link, small enough that a piece travels while
// another one is summed.
constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;
// Pieces that are under way at once.
constexpr std::size_t kSlots = 3;

}  // namespace

ShardRange shards_of(std::int64_t rank, std::int64_t ranks, std::int64_t shards) {
  return {rank * shards / ranks, (rank + 1) * shards / ranks};
}

// Gradients of one type, one after another in `flat`.
struct GradientSum::Bucket {
  at::Tensor flat;                  // [ranks · n], zeros behind the gradients
  std::vector<std::size_t> places;  // of its parameters in `trained`
  std::vector<at::Tensor> views;    // of `flat`, in the parameters' shapes

  // Their lengths are multiples of the number of ranks.
  std::vector<at::Tensor> pieces(std::int64_t ranks) const {
    const auto item = static_cast<std::int64_t>(flat.element_size());
    const std::int64_t most = std::max<std::int64_t>(1, kPieceBytes / item / ranks) * ranks;
    std::vector<at::Tensor> made;
    for (std::int64_t from = 0; from < flat.numel(); from += most)
      made.push_back(flat.narrow(0, from, std::min(most, flat.numel() - from)));
    return made;
  }
};

// Sums pieces over ranks: each rank sums its part of each, and sends the sum to all. A few are
// under way at once.
class GradientSum::Pipeline {
 public:
  explicit Pipeline(distributed::Group& ranks) : ranks_(ranks) {}

  void run(const std::vector<at::Tensor>& pieces) {
    for (std::size_t i = 0; i < pieces.size() + kSlots - 1; ++i) {
      if (i < pieces.size()) send(pieces[i], slots_[i % kSlots]);
      if (i + 1 >= kSlots) sum(slots_[(i + 1) % kSlots]);
    }
    for (Slot& slot : slots_) end(slot);
  }

 private:
  struct Slot {
    at::Tensor piece, host, received, part;
    distributed::Transfer exchange, gather;
    at::Tensor received_space, part_space;  // kept from step to step
  };

  // Room for a tensor like this in `space`, which grows where it is too small.
  static at::Tensor room(at::Tensor& space, const at::Tensor& like, std::int64_t count) {
    const bool fits =
        space.defined() && space.scalar_type() == like.scalar_type() && space.numel() >= count;
    if (!fits) space = at::empty({count}, like.options());
    return space.narrow(0, 0, count);
  }

  void send(const at::Tensor& piece, Slot& slot) {
    end(slot);
    slot.piece = piece;
    slot.host = piece.cpu();  // itself on the CPU
    slot.received = room(slot.received_space, slot.host, slot.host.numel());
    slot.part = room(slot.part_space, slot.host, slot.host.numel() / ranks_.size());
    slot.exchange = ranks_.start_exchange(slot.received, slot.host);
  }

  void sum(Slot& slot) {
    if (!slot.piece.defined()) return;
    slot.exchange.wait();
    distributed::sum_parts(slot.part, slot.received, ranks_.size());
    slot.gather = ranks_.start_all_gather(slot.host, slot.part);
  }

  static void end(Slot& slot) {
    if (!slot.piece.defined()) return;
    slot.gather.wait();
    if (!slot.host.is_same(slot.piece)) slot.piece.copy_(slot.host);
    slot.piece = at::Tensor();
  }

  distributed::Group& ranks_;
  std::array<Slot, kSlots> slots_;
};

GradientSum::GradientSum(distributed::Group* ranks, std::int64_t shards)
    : ranks_(ranks), count_(ranks != nullptr ? ranks->size() : 1),
      own_(shards_of(ranks != nullptr ? ranks->rank() : 0, count_, shards)), shards_(shards),
      pipeline_(ranks != nullptr ? std::make_unique<Pipeline>(*ranks) : nullptr) {}

GradientSum::~GradientSum() = default;

void GradientSum::begin(StepTokens all, std::int64_t batches_of_shard) {
  all_ = all;
  batches_of_shard_ = batches_of_shard;
  batches_ = 0;
  losses_.clear();
}

bool GradientSum::fits(const std::vector<model::Parameter>& trained) const {
  if (trained.size() != laid_out_.size()) return false;
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (!trained[i].tensor.is_same(laid_out_[i])) return false;
  }
  return true;
}

// From the last parameter on, in whose order the gradients are made.
void GradientSum::lay_out(const std::vector<model::Parameter>& trained) {
  buckets_.clear();
  laid_out_.clear();
  std::map<c10::ScalarType, std::vector<std::size_t>> by_type;
  for (const auto& parameter : trained) laid_out_.push_back(parameter.tensor);
  for (std::size_t i = trained.size(); i-- > 0;) by_type[laid_out_[i].scalar_type()].push_back(i);
  for (const auto& entry : by_type) {
    Bucket bucket;
    bucket.places = entry.second;
    std::int64_t elements = 0;
    for (const std::size_t place : bucket.places) elements += laid_out_[place].numel();
    elements = (elements + count_ - 1) / count_ * count_;
    const auto options = laid_out_[bucket.places.front()].options().requires_grad(false);
    bucket.flat = at::zeros({elements}, options);
    std::int64_t at = 0;
    for (const std::size_t place : bucket.places) {
      const at::Tensor& parameter = laid_out_[place];
      bucket.views.push_back(bucket.flat.narrow(0, at, parameter.numel()).view(parameter.sizes()));
      at += parameter.numel();
    }
    buckets_.push_back(std::move(bucket));
  }
}

void GradientSum::add(const std::vector<model::Parameter>& trained, at::Tensor& loss) {
  if (++batches_ % batches_of_shard_ != 0) return;
  const at::NoGradGuard quiet;
  losses_.push_back(loss.item<double>());
  loss = at::zeros({}, loss.options());
  if (!fits(trained)) lay_out(trained);
  const bool first = losses_.size() == 1;
  for (const Bucket& bucket : buckets_) {
    for (std::size_t i = 0; i < bucket.places.size(); ++i) {
      at::Tensor& gradient = trained[bucket.places[i]].tensor.mutable_grad();
      const at::Tensor& sum = bucket.views[i];
      if (!gradient.defined()) {
        // Zeros are added too: what is sent is the same, whoever has the shard.
        first ? sum.zero_() : sum.add_(0.0);
      } else {
        first ? sum.copy_(gradient) : sum.add_(gradient);
      }
      gradient = at::Tensor();
    }
  }
}

void GradientSum::finish(const std::vector<model::Parameter>& trained, at::Tensor& loss) {
  const at::NoGradGuard quiet;
  if (ranks_ != nullptr) {
    const core::Stopwatch watch;
    for (const Bucket& bucket : buckets_) {
      pipeline_->run(bucket.pieces(count_));
      sent_bytes_ += 2 * static_cast<std::int64_t>(bucket.flat.nbytes()) * (count_ - 1) / count_;
    }
    // Rank after rank has its shards; those with less end with zeros.
    const std::int64_t most = (shards_ + count_ - 1) / count_;
    losses_.resize(static_cast<std::size_t>(most), 0.0);
    losses_ = ranks_->all_gather(losses_);
    waited_seconds_ += watch.seconds();
  }
  double total = 0.0;
  for (const double one : losses_) total += one;
  loss.fill_(total);
  for (const Bucket& bucket : buckets_) {
    for (std::size_t i = 0; i < bucket.places.size(); ++i)
      trained[bucket.places[i]].tensor.mutable_grad() = bucket.views[i];
  }
}

void GradientSum::agree(GradientNorm& norm) const {
  if (ranks_ == nullptr) return;
  const at::NoGradGuard quiet;
  for (at::Tensor* value : {&norm.norm, &norm.divisor}) {
    if (!value->defined()) continue;
    const at::Tensor host = value->cpu().contiguous();
    ranks_->broadcast(host);
    *value = host.to(value->device());
  }
}

}  // namespace salf::train
