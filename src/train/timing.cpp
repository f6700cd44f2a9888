#include "train/timing.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "core/clock.h"
#include "core/files.h"
#include "core/statistics.h"
#include "model/weights/narrow_weights.h"
#include "tensor/allocation_watch.h"
#include "tensor/device.h"
#include "tensor/device_memory.h"
#include "tensor/pool.h"
#include "train/step/head_loss.h"
#include "train/step/optimizer.h"
#include "train/step/step_runner.h"

namespace salf::train {
namespace {

// What is updated and saved for a sample: far beyond the caches, little beside a model.
constexpr std::int64_t kSampleElements = 16'000'000;
constexpr std::uint64_t kSampleBytes = 64'000'000;
constexpr int kOptimizerSteps = 3;
// Blocks whose activations are looked at: a period of local and global attention is no longer.
constexpr std::int64_t kMemoryBlocks = 6;
constexpr std::int64_t kFewTokens = 8;

// Seconds of one batch, cut in two.
struct Sample {
  double make = 0.0, embedding = 0.0, prefix = 0.0, suffix = 0.0, head = 0.0, backward = 0.0;
  double head_forward = 0.0;
  double tokens = 0.0, supervised = 0.0;

  double seconds() const {
    return make + embedding + prefix + suffix + head + head_forward + backward;
  }
};

// Half a batch's rows, one at least.
data::BatchPlan half(data::BatchPlan plan) {
  plan.rows.resize((plan.rows.size() + 1) / 2);
  return plan;
}

struct Choice {
  data::BatchPlan longest;  // whose rows need most memory
  // Of the middle batch and its neighbour, if there is one.
  std::vector<data::BatchPlan> halves;
  // At even ranks of their length, the middle first: a short time still gives the typical batch.
  std::vector<data::BatchPlan> timed;
};

Choice choose(const data::Batcher& batcher, const TimingOptions& options) {
  std::vector<data::BatchPlan> plans = batcher.epoch(options.seed, 0);
  if (plans.empty())
    throw Error(ErrorKind::kBadInput, "timing: the training split has no documents");
  std::stable_sort(
      plans.begin(), plans.end(), [](const auto& a, const auto& b) { return a.length < b.length; });
  const std::size_t middle = plans.size() / 2;
  Choice choice{plans.back(), {half(plans[middle])}, {}};
  if (middle > 0) choice.halves.push_back(half(plans[middle - 1]));
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(options.batches), plans.size());
  std::vector<std::size_t> ranks;
  for (std::size_t i = 0; i < count; ++i) ranks.push_back((2 * i + 1) * plans.size() / (2 * count));
  const auto far = [middle](
                       std::size_t rank) { return rank > middle ? rank - middle : middle - rank; };
  std::stable_sort(
      ranks.begin(), ranks.end(), [&](std::size_t a, std::size_t b) { return far(a) < far(b); });
  for (const std::size_t rank : ranks) choice.timed.push_back(plans[rank]);
  return choice;
}

// A batch's mean loss, and its gradient by each trained parameter.
struct Slope {
  double loss = 0.0;
  std::vector<at::Tensor> gradients;
};

// ⟨∇ ln L_A, ∇ ln L_B⟩
double agreement(const Slope& a, const Slope& b) {
  const at::NoGradGuard quiet;
  double product = 0.0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    if (!a.gradients[i].defined() || !b.gradients[i].defined()) continue;
    product += at::dot(a.gradients[i].flatten(), b.gradients[i].flatten()).item<double>();
  }
  return product / (a.loss * b.loss);
}

class StepTimer {
 public:
  StepTimer(const model::ScriptModel& model, const model::GraphCut& graph,
      const data::Batcher& batcher, const TimingOptions& options)
      : model_(model), graph_(graph), batcher_(batcher), options_(options),
        device_(graph.head_weight().device()), blocks_(graph.map().blocks),
        cut_(std::max(blocks_ / 2, std::min(options.cut, blocks_ - 1))) {}

  types::MeasuredCost memory() const {
    types::MeasuredCost cost;
    const Freeze freeze(model_, graph_, cut_);
    measure_memory(choose(batcher_, options_).longest, cost);
    return cost;
  }

  double seconds_per_token() const {
    const std::vector<data::BatchPlan> plans = batcher_.epoch(options_.seed, 0);
    const data::BatchPlan& fullest = *std::max_element(plans.begin(), plans.end(),
        [](const auto& a, const auto& b) { return a.padded_tokens() < b.padded_tokens(); });
    const Freeze freeze(model_, graph_, cut_);
    time_batch(fullest, freeze);
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 2; ++i) {
      const Sample sample = time_batch(fullest, freeze);
      least =
          std::min(least, (sample.seconds() - sample.make - sample.head_forward) / sample.tokens);
    }
    return least;
  }

  Timing measure(core::Progress& progress) {
    const core::Stopwatch watch;
    const Choice choice = choose(batcher_, options_);
    progress.begin("timing", static_cast<std::int64_t>(choice.timed.size()), "batches");
    Timing result;
    types::MeasuredCost& cost = result.cost;
    std::vector<Sample> samples;
    {
      const Freeze freeze(model_, graph_, cut_);
      measure_memory(choice.longest, cost);
      const Sample warm = warm_up(choice.halves, freeze, result.gradient_agreement);
      const auto fits = [&](const data::BatchPlan& plan) {
        const auto tokens = static_cast<double>(plan.padded_tokens());
        return watch.seconds() + warm.seconds() * tokens / warm.tokens <= options_.seconds;
      };
      while (samples.size() < choice.timed.size() && fits(choice.timed[samples.size()])) {
        samples.push_back(sample(choice.timed[samples.size()], freeze));
        progress.update(static_cast<std::int64_t>(samples.size()), "");
      }
      if (samples.empty()) samples.push_back(warm);
      cost.optimizer = optimizer_rate(freeze.trained());
    }
    rates(samples, cost);
    // With LoRA neither embedding nor head is ever trained.
    if (graph_.lora().empty()) time_full_training(choice.halves.front(), cost);
    cost.save = save_rate();
    progress.end();
    result.seconds = watch.seconds();
    return result;
  }

 private:
  // The last of the halves, which finds a warm machine. Where their gradients are not compared, one
  // is enough after a few tokens, by which the programs are made.
  Sample warm_up(const std::vector<data::BatchPlan>& halves, const Freeze& freeze,
      std::optional<double>& agreed) const {
    const bool compare =
        options_.gradients && halves.size() > 1 && cut_ == blocks_ / 2 && graph_.lora().empty();
    if (!compare) {
      run_few_tokens();
      return sample(halves.front(), freeze);
    }
    Sample last;
    std::vector<Slope> slopes(halves.size());
    for (std::size_t i = 0; i < halves.size(); ++i)
      last = time_batch(halves[i], freeze, &slopes[i]);
    const double found = agreement(slopes[0], slopes[1]);
    if (std::isfinite(found)) agreed = std::max(0.0, found);
    return last;
  }

  void run_few_tokens() const {
    const at::NoGradGuard quiet;
    tensor::Batch few;
    few.ids = at::zeros({1, kFewTokens}, at::kLong);
    graph_.suffix(graph_.prefix(few, cut_), few, cut_);
  }

  Sample sample(const data::BatchPlan& plan, const Freeze& freeze) const {
    return options_.without_branches == nullptr ? time_batch(plan, freeze)
                                                : time_blocks(plan, freeze);
  }

  // The blocks above the cut alone. Their time does not depend on the values of their input and
  // its gradient.
  Sample time_blocks(const data::BatchPlan& plan, const Freeze& freeze) const {
    Sample sample;
    const tensor::Batch batch = batcher_.make(plan);
    sample.tokens = static_cast<double>(batch.padded_tokens());
    at::Tensor hidden;
    {
      const at::NoGradGuard quiet;
      hidden = graph_.prefix(batch, 0);
    }
    const at::AutoGradMode record(true);
    StepClock clock(device_);
    clock.start();
    const at::Tensor state = graph_.suffix(hidden, batch, cut_);
    clock.lap(sample.suffix);
    state.backward(at::full_like(state, 1.0 / sample.tokens));
    clock.lap(sample.backward);
    clock.collect_all();
    freeze.take_gradients();
    return sample;
  }

  Sample time_batch(
      const data::BatchPlan& plan, const Freeze& freeze, Slope* slope = nullptr) const {
    Sample sample;
    const model::Head head = graph_.head();  // one serves a whole evaluation
    StepClock clock(device_);
    clock.start();
    const tensor::Batch batch = batcher_.make(plan);
    clock.lap(sample.make);
    sample.tokens = static_cast<double>(batch.padded_tokens());
    sample.supervised = static_cast<double>(std::max<std::int64_t>(1, batch.supervised_tokens));
    at::Tensor hidden;
    {
      const at::NoGradGuard quiet;
      graph_.prefix(batch, 0);
      clock.lap(sample.embedding);
      hidden = graph_.prefix(batch, cut_);
      clock.lap(sample.prefix);
    }
    const at::AutoGradMode record(true);
    const at::Tensor state = graph_.suffix(hidden, batch, cut_);
    clock.lap(sample.suffix);
    const Supervised picked = supervised(state, batch);
    const at::Tensor loss = head_loss(graph_, picked, 1.0 / sample.supervised);
    clock.lap(sample.head);
    score_positions(head, graph_.map().vocabulary, picked);
    clock.lap(sample.head_forward);
    loss.backward();
    clock.lap(sample.backward);
    clock.collect_all();
    std::vector<at::Tensor> gradients = freeze.take_gradients();
    if (slope != nullptr) *slope = {loss.item<double>(), std::move(gradients)};
    return sample;
  }

  // What the process holds, or tensors on the GPU.
  double held() const {
    return static_cast<double>(
        device_.is_cpu() ? memory_use().anonymous : tensor::bytes_held(device_));
  }

  // The logits of a chunk of the head and their gradient, of at most `tokens` positions, on a GPU.
  // A CPU holds little beside its other memory.
  double chunk_bytes(std::int64_t tokens) const {
    if (device_.is_cpu()) return 0.0;
    const at::Tensor weight = graph_.head_weight();
    const double elements = static_cast<double>(std::min(tokens, head_chunk_rows(weight))) *
                            static_cast<double>(weight.size(0));
    return elements * static_cast<double>(sizeof(float) + c10::elementSize(graph_.type()));
  }

  // From the first row of a batch, whose embedding stands for the state below the last blocks,
  // after what was used before has left the heap.
  void measure_memory(data::BatchPlan plan, types::MeasuredCost& cost) const {
    const double chunk = chunk_bytes(plan.padded_tokens());
    plan.rows.resize(1);
    const tensor::Batch batch = batcher_.make(plan);
    if (batch.supervised_tokens == 0) return;
    const std::int64_t cut = std::max(cut_, blocks_ - kMemoryBlocks);
    tensor::trim_memory();
    at::Tensor hidden;
    {
      const at::NoGradGuard quiet;
      hidden = graph_.prefix(batch, 0);
    }
    const at::AutoGradMode record(true);
    at::Tensor state;
    double kept = 0.0;
    {
      const tensor::AllocationWatch watch;
      state = graph_.suffix(hidden, batch, cut);
      kept = static_cast<double>(watch.bytes());
    }
    const at::Tensor loss = head_loss(graph_, supervised(state, batch), 1.0);
    cost.activation_bytes =
        kept / (static_cast<double>(batch.padded_tokens()) * static_cast<double>(blocks_ - cut));
    double in_memory = 0.0;
    for (const auto& parameter : model_.parameters()) {
      if (!model_.lies_in_archive(parameter))
        in_memory += sizeof(float) * static_cast<double>(parameter.tensor.numel());
    }
    const auto parameters = static_cast<double>(model_.parameter_count());
    const auto& narrow = graph_.narrow_weights();
    const double copies = narrow ? static_cast<double>(narrow->bytes()) : 0.0;
    if (narrow) cost.copy_bytes = copies / parameters;
    cost.weights_mapped = in_memory < sizeof(float) * parameters / 2.0;
    cost.on_gpu = !device_.is_cpu();
    cost.base_bytes = std::max(1.0, held() + chunk - kept - in_memory - copies);
  }

  void rates(const std::vector<Sample>& samples, types::MeasuredCost& cost) const {
    const auto median = [&samples](double (*rate)(const Sample&)) {
      std::vector<double> rates;
      for (const Sample& sample : samples) rates.push_back(rate(sample));
      return std::max(0.0, core::median(rates));
    };
    const auto above = static_cast<double>(blocks_ - cut_);
    cost.timed_batches = static_cast<std::int64_t>(samples.size());
    cost.block_forward_trained =
        median([](const Sample& s) { return s.suffix / s.tokens; }) / above;
    cost.block_backward = median([](const Sample& s) { return s.backward / s.tokens; }) / above;
    if (const types::MeasuredCost* plain = options_.without_branches) {
      cost.block_forward = plain->block_forward *
                           std::max(1.0, cost.block_forward_trained / plain->block_forward_trained);
      cost.head = plain->head;
      cost.head_trained = plain->head;
      cost.head_forward = plain->head_forward;
      cost.step_fixed = plain->step_fixed;
      return;
    }
    cost.block_forward = cost.block_forward_trained;
    if (cut_ > 0) {
      cost.block_forward = median([](const Sample& s) {
        return (s.prefix - s.embedding) / s.tokens;
      }) / static_cast<double>(cut_);
    }
    cost.head = cost.head_trained = median([](const Sample& s) { return s.head / s.supervised; });
    cost.head_forward = median([](const Sample& s) { return s.head_forward / s.supervised; });
    cost.step_fixed = median([](const Sample& s) { return s.make + s.embedding; });
  }

  // What cut 0 pays on top: the gradient of the head's weight, and of the embedding.
  void time_full_training(const data::BatchPlan& plan, types::MeasuredCost& cost) const {
    const Freeze freeze(model_, graph_, 0);
    const tensor::Batch batch = batcher_.make(plan);
    if (batch.supervised_tokens == 0) return;
    const at::AutoGradMode record(true);
    double ignored = 0.0, head = 0.0, embedding = 0.0;
    StepClock clock(device_);
    clock.start();
    const at::Tensor hidden = graph_.prefix(batch, 0);
    const at::Tensor state = hidden.detach().requires_grad_(true);
    clock.lap(ignored);
    const at::Tensor loss = head_loss(graph_, supervised(state, batch), 1.0);
    clock.lap(head);
    torch::autograd::backward({loss, hidden}, {at::ones_like(loss), at::ones_like(hidden)});
    clock.lap(embedding);
    clock.collect_all();
    freeze.take_gradients();
    cost.head_trained = head / static_cast<double>(batch.supervised_tokens);
    cost.embedding_backward = embedding;
  }

  // Seconds per element of a clipped update, on copies of as many trained parameters as are enough.
  double optimizer_rate(const std::vector<model::Parameter>& trained) const {
    const at::NoGradGuard quiet;
    std::vector<model::Parameter> copies;
    std::int64_t elements = 0;
    for (const auto& parameter : trained) {
      if (elements >= kSampleElements) break;
      model::Parameter copy{parameter.name, {}, parameter.tensor.detach().clone()};
      elements += copy.tensor.numel();
      copy.tensor.mutable_grad() = at::randn_like(copy.tensor);
      copies.push_back(std::move(copy));
    }
    if (elements == 0) return 0.0;
    AdamW adamw(copies, {});
    std::vector<double> seconds;
    adamw.step(1e-6);  // makes the state
    for (int i = 0; i < kOptimizerSteps; ++i) {
      double took = 0.0;
      StepClock clock(device_);
      clock.start();
      adamw.step(1e-6, gradient_norm(copies, 1.0).divisor);
      clock.lap(took);
      clock.collect_all();
      seconds.push_back(took);
    }
    return core::median(seconds) / static_cast<double>(elements);
  }

  // Seconds per parameter, on the disk all the way. Where the disk has no room for the model, that
  // shows now.
  double save_rate() const {
    if (options_.scratch.empty()) return 0.0;
    std::uint64_t bytes = 0;
    for (const auto& parameter : model_.parameters()) bytes += parameter.tensor.nbytes();
    core::check_room(options_.scratch, bytes);
    const std::filesystem::path path = options_.scratch / ".salf-timing.pt";
    const std::string sample(std::min(bytes, kSampleBytes), 'x');
    const core::Stopwatch watch;
    core::write_file_atomically(path, sample);
    const double seconds = watch.seconds();
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    const double all =
        static_cast<double>(bytes) / static_cast<double>(std::max<std::size_t>(1, sample.size()));
    return seconds * all / static_cast<double>(std::max<std::int64_t>(1, model_.parameter_count()));
  }

  const model::ScriptModel& model_;
  const model::GraphCut& graph_;
  const data::Batcher& batcher_;
  TimingOptions options_;
  c10::Device device_;
  std::int64_t blocks_;
  std::int64_t cut_;
};

}  // namespace

types::MeasuredCost measure_memory(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options) {
  return StepTimer(model, graph, batcher, options).memory();
}

double seconds_per_token(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options) {
  return StepTimer(model, graph, batcher, options).seconds_per_token();
}

Timing time_steps(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options, core::Progress& progress) {
  return StepTimer(model, graph, batcher, options).measure(progress);
}

}  // namespace salf::train
