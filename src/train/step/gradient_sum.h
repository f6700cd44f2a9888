// The gradients of one optimizer step, summed over the shards of its batches in their order: those
// of this process, and those of the other ranks. Sum and norm do not depend on which rank has which
// shard, as long as each has one. Gradients travel while the backward pass makes others.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "distributed/group.h"
#include "model/script_model.h"
#include "train/step/optimizer.h"
#include "train/step/pieces.h"

namespace salf::train {

struct StepTokens {
  std::int64_t real = 0;
  std::int64_t supervised = 0;
};

// The shards [begin, end) of a rank. Each has one at least. REQUIRES: shards ≥ ranks
struct ShardRange {
  std::int64_t begin = 0, end = 0;
};
ShardRange shards_of(std::int64_t rank, std::int64_t ranks, std::int64_t shards);

struct SumSetup {
  distributed::Group* ranks = nullptr;  // null where this process has all shards
  std::int64_t shards = 1;
  std::set<std::string> by_copies{};  // cut_into_pieces
  std::set<std::string> in_passes{};  // parameters whose gradient a batch makes in several passes
  bool parts_alone = false;           // a rank gets its part of the sum, and nobody the whole
};

// All ranks make the same calls.
class GradientSum {
 public:
  // `trained` and the ranks must outlive this.
  GradientSum(const std::vector<model::Parameter>& trained, SumSetup setup);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // A step begins: its tokens on all ranks, and this rank's batches of each of its shards, which
  // come one shard after another.
  void begin(StepTokens all, std::int64_t batches_of_shard);
  const StepTokens& tokens() const { return all_; }

  // A batch's backward pass is done. At the end of a shard takes the `loss` [] f64, which is 0
  // afterwards. In the pass of the step's last batch, gradients leave as they come.
  void add(at::Tensor& loss);
  // At the end of the step: gradients and `loss` become those of all shards. With parts_alone the
  // parameters have no gradients then, and without never those that require none.
  void finish(at::Tensor& loss);
  // Of all gradients, after finish(): the same on all ranks.
  GradientNorm norm(double limit) const;

  const std::vector<Piece>& pieces() const { return pieces_; }
  // Of the sum, by piece, with parts_alone.
  std::vector<at::Tensor> take_parts() { return std::move(parts_); }

 private:
  struct Slot;
  struct Place;
  void arrived(std::size_t place);
  void take(std::size_t place);
  void hold();
  bool is_whole(const Piece& piece) const;
  void advance();
  void advance_in_order();
  void wait_for_one();
  void send();
  void sum();
  void end();
  void add_norms(const at::Tensor& part);
  void combine(const std::vector<double>& all, std::size_t losses, at::Tensor& loss);
  at::Tensor& gradient(std::size_t place) const { return trained_[place].tensor.mutable_grad(); }
  Slot& slot(std::size_t piece);

  const std::vector<model::Parameter>& trained_;
  SumSetup setup_;
  distributed::Group alone_;
  distributed::Group& ranks_;
  bool in_one_order_ = false;  // Group::in_one_order
  ShardRange own_;
  std::vector<Piece> pieces_;
  StepTokens all_;
  std::int64_t batches_of_shard_ = 1;
  std::int64_t batches_ = 0, own_batches_ = 0;  // of this step: done, and all
  std::vector<double> losses_;                  // of this rank's shards
  std::vector<at::Tensor> norms_;               // of the stretches of this rank's parts, f64
  double norm_ = 0.0;
  std::vector<Place> places_;  // by parameter
  std::vector<Slot> slots_;
  std::vector<at::Tensor> parts_;
  // Pieces that are whole, under way, summed and done.
  std::size_t whole_ = 0, sent_ = 0, summed_ = 0, ended_ = 0;
};

}  // namespace salf::train
