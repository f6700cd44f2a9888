// What the model writes by itself: the reference for over-represented words.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "calibration/domain_vocabulary.h"
#include "core/error.h"
#include "core/random.h"
#include "core/signals.h"

namespace salf::calibration {
namespace {

class Writer {
 public:
  Writer(const model::GraphCut& graph, const data::Tokenizer& tokenizer,
      const GeneralTextOptions& options)
      : graph_(graph), head_(graph.head()),
        words_(std::min(graph.map().vocabulary, tokenizer.vocabulary_size())),
        random_(options.seed, "general-text") {
    std::vector<std::int64_t> texts;
    std::vector<float> barred(static_cast<std::size_t>(words_), 0.0F);
    for (std::int64_t id = 0; id < words_; ++id) {
      const bool special = tokenizer.is_special(id) || tokenizer.bos_id() == id ||
                           tokenizer.eos_id() == id || tokenizer.padding_id() == id;
      if (special) barred[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
      if (!special) texts.push_back(id);
    }
    if (texts.empty())
      throw Error(ErrorKind::kBadModel,
          "the tokenizer has special tokens only: no text can be drawn from the model");
    barred_ = at::tensor(barred);
    std::vector<std::int64_t> first;
    for (std::int64_t i = 0; i < options.texts; ++i)
      first.push_back(texts[random_.below(texts.size())]);
    ids_ = at::tensor(first, at::kLong).unsqueeze(1);
  }

  std::int64_t words() const { return words_; }

  // The distribution of each text's next token. [texts, V'] f64, CPU
  at::Tensor next_token() const {
    tensor::Batch batch;
    batch.ids = ids_;
    batch.labels = at::full_like(ids_, tensor::kNoLabel);
    batch.documents = at::zeros_like(ids_);
    batch.real_tokens = ids_.numel();
    const at::Tensor state =
        graph_.tap(batch).final_state.select(1, ids_.size(1) - 1);  // [texts, D]
    const at::Tensor logits = head_(state).slice(1, 0, words_).to(at::kCPU).to(at::kFloat);
    const at::Tensor shares = at::softmax(logits + barred_, 1, at::kDouble);
    if (at::isfinite(shares).all().item<bool>()) return shares;
    throw Error(ErrorKind::kBadModel,
        "the model's next-token distribution is not finite: its weights are damaged; "
        "import it again");
  }

  void draw(const at::Tensor& shares) {
    const at::Tensor sums = shares.cumsum(1);  // [texts, V']
    std::vector<double> places;
    for (std::int64_t i = 0; i < shares.size(0); ++i) places.push_back(random_.uniform());
    const at::Tensor wanted =
        at::tensor(places, at::kDouble).unsqueeze(1) * sums.select(1, words_ - 1).unsqueeze(1);
    const at::Tensor next =
        at::searchsorted(sums, wanted, false, /*right=*/true).clamp_max(words_ - 1);
    ids_ = at::cat({ids_, next}, 1);
  }

 private:
  const model::GraphCut& graph_;
  model::Head head_;
  std::int64_t words_;
  core::Random random_;
  at::Tensor barred_;  // [V'] f32: −∞ at special tokens
  at::Tensor ids_;     // [texts, t] i64
};

std::vector<double> values(const at::Tensor& tensor) {
  const at::Tensor row = tensor.contiguous();
  const double* data = row.const_data_ptr<double>();
  return {data, data + row.numel()};
}

}  // namespace

std::optional<TokenShares> general_text(const model::GraphCut& graph,
    const data::Tokenizer& tokenizer, const GeneralTextOptions& options, core::Progress& progress) {
  const c10::NoGradGuard no_grad;
  Writer writer(graph, tokenizer, options);
  at::Tensor sums = at::zeros({options.texts, writer.words()}, at::kDouble);
  const std::int64_t counted = options.length - options.skipped;
  progress.begin("general text", options.length, "tokens");
  for (std::int64_t t = 0; t < options.length; ++t) {
    if (core::stop_signal() != 0) {
      progress.end();
      return std::nullopt;
    }
    const at::Tensor shares = writer.next_token();
    if (t >= options.skipped) sums += shares;
    if (t + 1 < options.length) writer.draw(shares);
    progress.update(t + 1, "");
  }
  progress.end();
  sums /= static_cast<double>(counted);
  return TokenShares{values(sums.mean(0)),
      values(sums.std(0, true) / std::sqrt(static_cast<double>(options.texts)))};
}

}  // namespace salf::calibration
