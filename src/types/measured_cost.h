// Measured costs of a training step, and the size of the data.
#pragma once

#include <optional>

#include "core/fields.h"

namespace salf::types {

// Seconds per unit, each the median over timed batches.
struct MeasuredCost {
  double block_forward = 0.0;  // s per padded token and block, without autograd
  double block_forward_trained =
      0.0;                          // s per padded token and block, recording for the backward pass
  double block_backward = 0.0;      // s per padded token and block
  double embedding_backward = 0.0;  // s per batch (forward and backward pass), only at cut 0
  double head = 0.0;          // s per supervised token: logits, loss and gradient to the state
  double head_trained = 0.0;  // the same when the head's weight is trained too (cut 0)
  double head_forward = 0.0;  // s per supervised token: logits and loss only (evaluation)
  double optimizer = 0.0;     // s per trained parameter and step (clipping included)
  double step_fixed = 0.0;    // s per step
  double save = 0.0;          // s per model parameter: writing the tuned model once
  // s per trained parameter and step: the sum of its gradient over ranks; none of one rank.
  std::optional<double> exchange;
  std::int64_t timed_batches = 0;
  // Memory of the process, or of the GPU that was timed; 0 if not measured.
  double activation_bytes =
      0.0;                  // per padded token that a trained block keeps for the backward pass
  double base_bytes = 0.0;  // besides these, weights, gradients and moments
  // A parameter's copy in bfloat16 beside its float32 value, bytes; none where steps are float32.
  std::optional<double> copy_bytes;
  bool weights_mapped = false;  // float32 weights take memory once they are trained
  bool on_gpu = false;  // weights below the cut leave its memory only when all rows are kept

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"block_forward"}.range(0, 1e9), self.block_forward);
    visit(Field{"block_forward_trained"}.range(0, 1e9), self.block_forward_trained);
    visit(Field{"block_backward"}.range(0, 1e9), self.block_backward);
    visit(Field{"embedding_backward"}.range(0, 1e9), self.embedding_backward);
    visit(Field{"head"}.range(0, 1e9), self.head);
    visit(Field{"head_trained"}.range(0, 1e9), self.head_trained);
    visit(Field{"head_forward"}.range(0, 1e9), self.head_forward);
    visit(Field{"optimizer"}.range(0, 1e9), self.optimizer);
    visit(Field{"step_fixed"}.range(0, 1e9), self.step_fixed);
    visit(Field{"save"}.range(0, 1e9), self.save);
    visit(Field{"exchange"}.range(0, 1e9), self.exchange);
    visit(Field{"timed_batches"}.range(0, 1e9), self.timed_batches);
    visit(Field{"activation_bytes"}.range(0, 1e12), self.activation_bytes);
    visit(Field{"base_bytes"}.range(0, 1e15), self.base_bytes);
    visit(Field{"copy_bytes"}.range(0, 8), self.copy_bytes);
    visit(Field{"weights_mapped"}, self.weights_mapped);
    visit(Field{"on_gpu"}, self.on_gpu);
  }
};

// The size of one epoch at the run's batch options.
struct DataShape {
  std::int64_t documents = 0;
  std::int64_t batches = 0;  // forward-backward passes of an epoch
  std::int64_t real_tokens = 0;
  std::int64_t padded_tokens = 0;      // what the blocks process
  std::int64_t supervised_tokens = 0;  // what the head processes
  double mean_length = 0.0;        // tokens of a row or segment, weighted by tokens, for attention
  std::int64_t dev_documents = 0;  // of one dev evaluation
  std::int64_t dev_padded_tokens = 0;
  std::int64_t dev_supervised_tokens = 0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"documents"}.range(0, 1e15), self.documents);
    visit(Field{"batches"}.range(0, 1e15), self.batches);
    visit(Field{"real_tokens"}.range(0, 1e15), self.real_tokens);
    visit(Field{"padded_tokens"}.range(0, 1e15), self.padded_tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"mean_length"}.range(0, 1e9), self.mean_length);
    visit(Field{"dev_documents"}.range(0, 1e15), self.dev_documents);
    visit(Field{"dev_padded_tokens"}.range(0, 1e15), self.dev_padded_tokens);
    visit(Field{"dev_supervised_tokens"}.range(0, 1e15), self.dev_supervised_tokens);
  }
};

}  // namespace salf::types
