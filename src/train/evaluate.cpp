#include "train/evaluate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <map>

#include "core/clock.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "core/text.h"
#include "distributed/group.h"
#include "tensor/transfer.h"
#include "train/step/head_loss.h"

namespace salf::train {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

Figure figure(const core::Estimate& estimate) {
  const double reach = core::kNormal95 * estimate.standard_error;
  return {estimate.mean, estimate.mean - reach, estimate.mean + reach};
}

double within_share(double value) {
  return std::isnan(value) ? value : std::clamp(value, 0.0, 1.0);
}

// Scores of a batch, from ids to positions; the fastest way through the model: no taps, no
// autograd.
struct Scored {
  Supervised where;
  PositionScores scores;
};

Scored score_batch(const model::GraphCut& graph, const model::Head& head, const tensor::Batch& made,
    const EvaluateOptions& options) {
  const bool cached = options.cache != nullptr;
  const tensor::Batch batch = tensor::on_device(made, graph.head_weight().device());
  const at::Tensor hidden = cached ? options.cache->hidden(batch) : graph.prefix(batch, 0);
  Scored scored;
  scored.where = supervised(graph.suffix(hidden, batch, cached ? options.cut : 0), batch);
  scored.scores = score_positions(head, graph.map().vocabulary, scored.where);
  return scored;
}

void add_positions(const Scored& scored, std::map<std::int64_t, DocumentLoss>& documents) {
  const std::int64_t* document = scored.where.documents.const_data_ptr<std::int64_t>();
  const double* loss = scored.scores.loss.const_data_ptr<double>();
  const bool* correct = scored.scores.correct.const_data_ptr<bool>();
  for (std::int64_t i = 0; i < scored.scores.loss.size(0); ++i) {
    DocumentLoss& sums = documents[document[i]];
    sums.document = document[i];
    sums.loss += loss[i];
    sums.correct += correct[i] ? 1.0 : 0.0;
    sums.tokens += 1.0;
  }
}

// What a rank found; its documents follow it.
struct RankLosses {
  std::int64_t stopped = 0, signal = 0;
  std::int64_t tokens = 0, supervised_tokens = 0;
};

std::string as_bytes(
    const RankLosses& losses, const std::map<std::int64_t, DocumentLoss>& documents) {
  static_assert(std::is_trivially_copyable_v<DocumentLoss>);
  std::string bytes(reinterpret_cast<const char*>(&losses), sizeof losses);
  for (const auto& entry : documents)
    bytes.append(reinterpret_cast<const char*>(&entry.second), sizeof entry.second);
  return bytes;
}

void add_bytes(
    const std::string& bytes, RankLosses& sum, std::map<std::int64_t, DocumentLoss>& documents) {
  RankLosses one;
  std::memcpy(&one, bytes.data(), sizeof one);
  sum.stopped += one.stopped;
  sum.signal = std::max(sum.signal, one.signal);
  sum.tokens += one.tokens;
  sum.supervised_tokens += one.supervised_tokens;
  for (std::size_t at = sizeof one; at < bytes.size(); at += sizeof(DocumentLoss)) {
    DocumentLoss loss;
    std::memcpy(&loss, bytes.data() + at, sizeof loss);
    DocumentLoss& sums = documents[loss.document];
    sums.document = loss.document;
    sums.loss += loss.loss;
    sums.correct += loss.correct;
    sums.tokens += loss.tokens;
  }
}

void summarize(const std::map<std::int64_t, DocumentLoss>& documents, Evaluation& result) {
  core::ClusteredMean loss, accuracy;
  for (const auto& [index, sums] : documents) {
    loss.add(sums.loss, sums.tokens);
    accuracy.add(sums.correct, sums.tokens);
  }
  result.documents = loss.clusters();
  if (documents.empty()) {
    result.loss = result.perplexity = result.accuracy = {kUnknown, kUnknown, kUnknown};
    result.standard_error = kUnknown;
    return;
  }
  result.loss = figure(loss.estimate());
  result.standard_error = loss.estimate().standard_error;
  result.perplexity = {
      std::exp(result.loss.value), std::exp(result.loss.low), std::exp(result.loss.high)};
  result.accuracy = figure(accuracy.estimate());
  result.accuracy.low = within_share(result.accuracy.low);
  result.accuracy.high = within_share(result.accuracy.high);
}

// Options of several questions as one right-padded batch; `documents` numbers the options.
tensor::Batch option_batch(const std::vector<const data::Document*>& options) {
  std::size_t length = 0;
  for (const auto* option : options) length = std::max(length, option->ids.size());
  const auto rows = static_cast<std::int64_t>(options.size());
  const auto columns = static_cast<std::int64_t>(length);
  tensor::Batch batch;
  batch.ids = at::zeros({rows, columns}, at::kLong);
  batch.labels = at::full({rows, columns}, tensor::kNoLabel, at::kLong);
  batch.mask = at::zeros({rows, columns}, at::kLong);
  batch.documents = at::zeros({rows, columns}, at::kLong);
  for (std::int64_t row = 0; row < rows; ++row) {
    const data::Document& option = *options[static_cast<std::size_t>(row)];
    const auto size = static_cast<std::int64_t>(option.ids.size());
    std::copy(option.ids.begin(), option.ids.end(), batch.ids[row].data_ptr<std::int64_t>());
    std::copy(
        option.labels.begin(), option.labels.end(), batch.labels[row].data_ptr<std::int64_t>());
    batch.mask[row].narrow(0, 0, size).fill_(1);
    batch.documents[row].fill_(row);
    batch.real_tokens += size;
  }
  batch.supervised_tokens = batch.labels.ne(tensor::kNoLabel).sum().item<std::int64_t>();
  if (batch.real_tokens == batch.padded_tokens()) batch.mask = at::Tensor();
  return batch;
}

// The log likelihood of each option of `row`, summed over its tokens, a batch at a time.
std::vector<double> option_sums(const model::GraphCut& graph, const model::Head& head,
    const data::ChoiceRow& row, std::int64_t batch_tokens, const EvaluateOptions& options) {
  std::vector<double> sums;
  std::vector<const data::Document*> batch;
  const auto run = [&] {
    if (batch.empty()) return;
    std::map<std::int64_t, DocumentLoss> losses;
    add_positions(score_batch(graph, head, option_batch(batch), options), losses);
    for (std::size_t i = 0; i < batch.size(); ++i)
      sums.push_back(-losses[static_cast<std::int64_t>(i)].loss);
    batch.clear();
  };
  std::size_t longest = 0;
  for (const auto& option : row.options) {
    longest = std::max(longest, option.ids.size());
    if (!batch.empty() && longest * (batch.size() + 1) > static_cast<std::size_t>(batch_tokens)) {
      run();
      longest = option.ids.size();
    }
    batch.push_back(&option);
  }
  run();
  return sums;
}

bool answer_is_likeliest(const data::ChoiceRow& row, const std::vector<double>& sums) {
  std::size_t best = 0;
  std::vector<double> per_byte(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    per_byte[i] = sums[i] / static_cast<double>(std::max<std::int64_t>(1, row.option_bytes[i]));
    if (per_byte[i] > per_byte[best]) best = i;
  }
  return static_cast<std::int64_t>(best) == row.answer;
}

}  // namespace

std::vector<data::BatchPlan> evaluated_batches(
    const data::Batcher& batcher, const distributed::Group* ranks) {
  std::vector<data::BatchPlan> all = batcher.in_order();
  if (ranks == nullptr) return all;
  std::vector<data::BatchPlan> own;
  for (std::size_t i = static_cast<std::size_t>(ranks->rank()); i < all.size();
       i += static_cast<std::size_t>(ranks->size()))
    own.push_back(std::move(all[i]));
  return own;
}

MeasuredLosses evaluate(const model::GraphCut& graph, const data::Batcher& batcher,
    const EvaluateOptions& options, core::Progress& progress) {
  const core::Stopwatch watch;
  const at::NoGradGuard quiet;
  const model::Head head = graph.head();
  std::map<std::int64_t, DocumentLoss> documents;
  MeasuredLosses losses;
  Evaluation& result = losses.evaluation;
  RankLosses found;
  std::int64_t rows = 0;
  progress.begin("evaluating", batcher.rows(), "rows");
  for (const data::BatchPlan& plan : evaluated_batches(batcher, options.ranks)) {
    if (options.keep_going && !options.keep_going()) {
      found.stopped = 1;
      found.signal = core::stop_signal();
      break;
    }
    const tensor::Batch batch = batcher.make(plan);
    add_positions(score_batch(graph, head, batch, options), documents);
    found.tokens += batch.real_tokens;
    found.supervised_tokens += batch.supervised_tokens;
    rows += batch.rows();
    progress.update(rows, "");
  }
  progress.end();
  if (options.ranks != nullptr) {
    const std::string own = as_bytes(found, documents);
    found = {};
    documents.clear();
    for (const std::string& bytes : options.ranks->all_gather(own))
      add_bytes(bytes, found, documents);
    if (found.signal != 0) core::set_stop_signal(static_cast<int>(found.signal));
  }
  if (found.stopped > 0) {
    losses.stopped = true;
    return losses;
  }
  result.tokens = found.tokens;
  result.supervised_tokens = found.supervised_tokens;
  summarize(documents, result);
  for (const auto& entry : documents) losses.documents.push_back(entry.second);
  result.seconds = watch.seconds();
  return losses;
}

ChoiceEvaluation evaluate_choices(const model::GraphCut& graph,
    const std::vector<data::ChoiceRow>& rows, std::int64_t batch_tokens,
    const EvaluateOptions& options, core::Progress& progress) {
  const core::Stopwatch watch;
  const at::NoGradGuard quiet;
  EvaluateOptions uncached = options;
  uncached.cache = nullptr;  // the options are no rows of a batcher
  const model::Head head = graph.head();
  ChoiceEvaluation result;
  progress.begin("answering", static_cast<std::int64_t>(rows.size()), "questions");
  const std::size_t ranks =
      options.ranks == nullptr ? 1 : static_cast<std::size_t>(options.ranks->size());
  const std::size_t first =
      options.ranks == nullptr ? 0 : static_cast<std::size_t>(options.ranks->rank());
  for (std::size_t i = first; i < rows.size(); i += ranks) {
    if (options.keep_going && !options.keep_going()) break;
    const std::vector<double> sums = option_sums(graph, head, rows[i], batch_tokens, uncached);
    result.correct += answer_is_likeliest(rows[i], sums) ? 1 : 0;
    ++result.rows;
    progress.update(result.rows, "");
  }
  progress.end();
  if (options.ranks != nullptr) {
    const at::Tensor counts = at::zeros({2}, at::kLong);
    counts.mutable_data_ptr<std::int64_t>()[0] = result.correct;
    counts.mutable_data_ptr<std::int64_t>()[1] = result.rows;
    options.ranks->all_reduce(counts);
    result.correct = counts.const_data_ptr<std::int64_t>()[0];
    result.rows = counts.const_data_ptr<std::int64_t>()[1];
  }
  result.accuracy =
      result.rows > 0 ? wilson(result.correct, result.rows) : Figure{kUnknown, kUnknown, kUnknown};
  result.seconds = watch.seconds();
  return result;
}

Figure wilson(std::int64_t successes, std::int64_t trials) {
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double z2 = core::kNormal95 * core::kNormal95;
  const double centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
  const double reach =
      core::kNormal95 * std::sqrt(share * (1.0 - share) / n + z2 / (4.0 * n * n)) / (1.0 + z2 / n);
  return {share, within_share(centre - reach), within_share(centre + reach)};
}

}  // namespace salf::train
