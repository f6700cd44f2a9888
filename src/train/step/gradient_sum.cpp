#include "train/step/gradient_sum.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/error.h"

namespace salf::train {
namespace {

// Pieces that are under way at once.
constexpr std::size_t kSlots = 4;
// Pieces that may wait for a slow link while the backward pass goes on, where they take memory.
constexpr std::size_t kBacklog = 4;
// Where transfers keep one order: the pieces that are sent between a piece and its sum.
constexpr std::size_t kSumsAfter = 2;

class Arrival : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit Arrival(std::function<void()> call) : call_(std::move(call)) {}
  void operator()(const torch::autograd::Variable&) override { call_(); }

 private:
  std::function<void()> call_;
};

// Room for so many elements in `space`, which grows where it is too small.
at::Tensor room(at::Tensor& space, const at::TensorOptions& options, std::int64_t count) {
  const bool fits = space.defined() && space.dtype() == options.dtype() && space.numel() >= count;
  if (!fits) space = at::empty({count}, options);
  return space.narrow(0, 0, count);
}

// Zeros are added too: what is sent is the same, whoever has the shard.
void add_gradient(const at::Tensor& sum, const at::Tensor& gradient) {
  gradient.defined() ? sum.add_(gradient) : sum.add_(0.0);
}

}  // namespace

ShardRange shards_of(std::int64_t rank, std::int64_t ranks, std::int64_t shards) {
  return {rank * shards / ranks, (rank + 1) * shards / ranks};
}

struct GradientSum::Slot {
  at::Tensor sent, received, part;
  distributed::Transfer exchange, gather;
  at::Tensor packed_space, received_space, part_space;  // kept from step to step
};

struct GradientSum::Place {
  at::Tensor held;          // the sum of earlier shards
  std::int64_t unsent = 0;  // elements
  bool ready = false;       // the step's gradient is complete
};

GradientSum::GradientSum(const std::vector<model::Parameter>& trained, SumSetup setup)
    : trained_(trained), setup_(std::move(setup)),
      ranks_(setup_.ranks != nullptr ? *setup_.ranks : alone_),
      own_(shards_of(ranks_.rank(), ranks_.size(), setup_.shards)),
      pieces_(cut_into_pieces(trained, setup_.by_copies, ranks_.size())), places_(trained.size()),
      slots_(kSlots) {
  if (setup_.ranks == nullptr || trained_.empty()) return;  // nothing travels
  const c10::Device device = trained_.front().tensor.device();
  in_one_order_ = ranks_.in_one_order(device);
  for (std::size_t place = 0; place < trained_.size(); ++place) {
    if (setup_.in_passes.count(trained_[place].name) > 0) continue;
    torch::autograd::impl::set_post_acc_grad_hooks(
        trained_[place].tensor, std::make_unique<Arrival>([this, place] { arrived(place); }));
  }
}

GradientSum::~GradientSum() {
  if (setup_.ranks == nullptr) return;
  for (const auto& parameter : trained_)
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
}

GradientSum::Slot& GradientSum::slot(std::size_t piece) { return slots_[piece % kSlots]; }

void GradientSum::begin(StepTokens all, std::int64_t batches_of_shard) {
  all_ = all;
  batches_of_shard_ = batches_of_shard;
  own_batches_ = batches_of_shard * (own_.end - own_.begin);
  batches_ = 0;
  whole_ = sent_ = summed_ = ended_ = 0;
  losses_.clear();
  norms_.clear();
  parts_.clear();
  for (std::size_t place = 0; place < places_.size(); ++place) {
    places_[place].ready = false;
    places_[place].unsent = trained_[place].tensor.numel();
  }
}

void GradientSum::arrived(std::size_t place) {
  if (batches_ + 1 != own_batches_) return;
  if (places_[place].ready) {
    throw Error(ErrorKind::kInternal, "parameter " + trained_[place].name +
                                          " got more of its gradient after that was sent; please "
                                          "report this model");
  }
  const at::NoGradGuard quiet;
  take(place);
  advance();
  while (setup_.parts_alone && whole_ - sent_ > kBacklog) {
    wait_for_one();
    advance();
  }
}

void GradientSum::take(std::size_t place) {
  at::Tensor& mine = gradient(place);
  at::Tensor& held = places_[place].held;
  if (held.defined()) {
    add_gradient(held, mine);
    mine = std::exchange(held, at::Tensor());
  } else {
    mine = mine.defined() ? mine.contiguous() : at::zeros_like(trained_[place].tensor.detach());
  }
  places_[place].ready = true;
}

void GradientSum::hold() {
  for (std::size_t place = 0; place < places_.size(); ++place) {
    const at::Tensor mine = std::exchange(gradient(place), at::Tensor());
    at::Tensor& held = places_[place].held;
    if (held.defined()) {
      add_gradient(held, mine);
    } else {
      held = mine.defined() ? mine.contiguous() : at::zeros_like(trained_[place].tensor.detach());
    }
  }
}

void GradientSum::add(at::Tensor& loss) {
  ++batches_;
  if (batches_ % batches_of_shard_ != 0) return;
  const at::NoGradGuard quiet;
  losses_.push_back(loss.item<double>());
  loss = at::zeros({}, loss.options());
  if (batches_ < own_batches_) hold();
}

bool GradientSum::is_whole(const Piece& piece) const {
  return std::all_of(piece.segments.begin(), piece.segments.end(),
      [this](const Segment& segment) { return places_[segment.place].ready; });
}

// Does what can be done without waiting. All ranks take the pieces in the same order.
void GradientSum::advance() {
  while (whole_ < pieces_.size() && is_whole(pieces_[whole_])) ++whole_;
  if (in_one_order_) return advance_in_order();
  for (bool moved = true; moved;) {
    const std::size_t before = sent_ + summed_ + ended_;
    if (ended_ < summed_ && slot(ended_).gather.done()) end();
    if (summed_ < sent_ && slot(summed_).exchange.done()) sum();
    if (sent_ < whole_ && sent_ - ended_ < kSlots) send();
    moved = sent_ + summed_ + ended_ > before;
  }
}

// Waits where it has to: what starts when follows from the pieces alone.
void GradientSum::advance_in_order() {
  for (; sent_ < whole_; send()) {
    if (sent_ - ended_ == kSlots) end();
    if (sent_ - summed_ == kSumsAfter) sum();
  }
}

void GradientSum::wait_for_one() {
  if (in_one_order_) {
    summed_ < sent_ ? sum() : end();
    return;
  }
  if (summed_ < sent_) {
    slot(summed_).exchange.wait();
  } else if (ended_ < summed_) {
    slot(ended_).gather.wait();
  }
}

void GradientSum::send() {
  Slot& to = slot(sent_);
  const Piece& piece = pieces_[sent_++];
  const auto options = gradient(piece.segments.front().place).options().requires_grad(false);
  const at::Tensor packed = room(to.packed_space, options, piece.length);
  const Segment& last = piece.segments.back();
  const std::int64_t used = last.at + last.count;
  for (const Segment& segment : piece.segments) {
    at::Tensor& whole = gradient(segment.place);
    packed.narrow(0, segment.at, segment.count).copy_(elements(whole, segment));
    std::int64_t& unsent = places_[segment.place].unsent;
    unsent -= segment.count;
    if (setup_.parts_alone && unsent == 0) whole = at::Tensor();
  }
  packed.narrow(0, used, piece.length - used).zero_();
  to.sent = ranks_.sendable(packed);
  to.received = room(to.received_space, to.sent.options(), piece.length);
  to.exchange = ranks_.start_exchange(to.received, to.sent);
}

void GradientSum::sum() {
  Slot& from = slot(summed_);
  const std::int64_t length = pieces_[summed_++].length / ranks_.size();
  from.exchange.wait();
  const auto options = from.sent.options();
  const at::Tensor part =
      setup_.parts_alone ? at::empty({length}, options) : room(from.part_space, options, length);
  distributed::sum_parts(part, from.received, ranks_.size());
  add_norms(part);
  if (setup_.parts_alone) {
    parts_.push_back(part.to(trained_.front().tensor.device()));
  } else {
    from.gather = ranks_.start_all_gather(from.sent, part);
  }
}

void GradientSum::end() {
  Slot& from = slot(ended_);
  const Piece& piece = pieces_[ended_++];
  from.gather.wait();
  if (setup_.parts_alone) return;
  const at::Tensor all = from.sent.to(trained_.front().tensor.device());
  for (const Segment& segment : piece.segments) {
    elements(gradient(segment.place), segment).copy_(all.narrow(0, segment.at, segment.count));
  }
}

void GradientSum::add_norms(const at::Tensor& part) {
  const auto type = part.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor norms = at::linalg_vector_norm(
      part.view({-1, kStretch}), 2, at::IntArrayRef{1}, /*keepdim=*/false, type)
                               .to(at::kDouble);
  norms_.push_back(norms);
}

void GradientSum::finish(at::Tensor& loss) {
  const at::NoGradGuard quiet;
  for (std::size_t place = 0; place < places_.size(); ++place) {
    if (!places_[place].ready) take(place);
  }
  for (advance(); ended_ < pieces_.size(); advance()) wait_for_one();
  for (const auto& parameter : trained_) {
    if (!parameter.tensor.requires_grad()) parameter.tensor.mutable_grad() = at::Tensor();
  }
  // Rank after rank has its shards; those with less end with zeros.
  const std::int64_t most = (setup_.shards + ranks_.size() - 1) / ranks_.size();
  losses_.resize(static_cast<std::size_t>(most), 0.0);
  std::vector<double> own = losses_;
  const at::Tensor norms = at::cat(norms_).cpu();
  const double* const begin = norms.const_data_ptr<double>();
  own.insert(own.end(), begin, begin + norms.numel());
  combine(ranks_.all_gather(own), losses_.size(), loss);
}

// `all`: of one rank after another, its `losses` and the norms of its stretches.
void GradientSum::combine(const std::vector<double>& all, std::size_t losses, at::Tensor& loss) {
  const auto ranks = static_cast<std::size_t>(ranks_.size());
  const std::size_t each = all.size() / ranks;
  double total = 0.0, squares = 0.0;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    for (std::size_t i = 0; i < losses; ++i) total += all[rank * each + i];
  }
  std::size_t first = losses;
  for (const Piece& piece : pieces_) {
    const std::size_t stretches = static_cast<std::size_t>(piece.length / kStretch) / ranks;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      for (std::size_t i = 0; i < stretches; ++i) {
        const double norm = all[rank * each + first + i];
        squares += norm * norm;
      }
    }
    first += stretches;
  }
  norm_ = std::sqrt(squares);
  loss.fill_(total);
}

GradientNorm GradientSum::norm(double limit) const {
  const auto options = at::TensorOptions(at::kFloat).device(trained_.front().tensor.device());
  const at::Tensor norm = at::full({}, norm_, options);
  if (limit <= 0.0) return {norm, at::Tensor()};
  return {norm, norm.add(1e-6).div(limit).clamp_min(1.0)};
}

}  // namespace salf::train
