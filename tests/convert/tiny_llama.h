// A Llama of a few thousand random weights as a GGUF file, and what it should compute, written
// plainly.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/gguf_writer.h"

namespace salf::convert {

struct TinyLlama {
  std::string architecture = "llama";
  std::int64_t blocks = 2;
  std::int64_t hidden = 16;
  std::int64_t feed_forward = 24;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 4;
  std::int64_t vocabulary = 40;
  double theta = 10000.0;
  double linear_factor = 1.0;
  std::vector<float> rope_divisors;
  bool tied = true;

  bool qwen2() const { return architecture == "qwen2"; }
};

// By Hugging Face's names and in its layout.
using Weights = std::map<std::string, at::Tensor>;

Weights random_weights(const TinyLlama& model, std::uint64_t seed);

// Metadata, tokenizer and tensors as llama.cpp's converter writes them.
support::GgufWriter metadata_of(const TinyLlama& model);
// llama.cpp's name and tensor of each weight, q and k reordered for the llama architecture.
Weights gguf_tensors(const TinyLlama& model, const Weights& weights);
void add_tensors(support::GgufWriter& writer, const Weights& tensors);

// Logits [B, T, V] by explicit loops over heads and full softmax matrices.
at::Tensor reference_logits(const TinyLlama& model, const Weights& weights, const at::Tensor& ids);

}  // namespace salf::convert
