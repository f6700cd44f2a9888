#include "calibration/calibrate.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "calibration/sums.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/random.h"
#include "core/signals.h"
#include "core/text.h"
#include "distributed/group.h"
#include "distributed/machines.h"
#include "tensor/device.h"

namespace salf::calibration {
namespace {

std::vector<std::int64_t> draw_documents(const data::Dataset& dataset,
    const CalibrationOptions& options, const CalibrationSetting& setting) {
  const bool may_draw_more =
      setting.stability && options.stability > 0.0 && options.max_documents > options.documents;
  const std::int64_t count = may_draw_more ? options.max_documents : options.documents;
  std::vector<std::int64_t> drawn =
      data::sample_documents(dataset, data::Split::kTrain, count, setting.seed);
  if (drawn.size() < 2) {
    throw Error(ErrorKind::kBadInput,
        "the train split has " + std::to_string(drawn.size()) +
            " documents, expected at least 2 to measure the layers with an error; give more data, "
            "or a smaller --dev-share and --test-share");
  }
  return drawn;
}

// The sums of the pass so far.
class Calibration {
 public:
  Calibration(const model::GraphCut& graph, const data::Dataset& dataset,
      const std::vector<std::int64_t>& drawn, const CalibrationOptions& options,
      const CalibrationSetting& setting)
      : graph_(graph), options_(options), setting_(setting),
        basis_(graph.head_weight(), setting.vocabulary_limit), meter_(graph, basis_, options.norm),
        cosine_(types::Measure::kCosine, graph.map().blocks, setting),
        loss_(types::Measure::kLoss, graph.map().blocks, setting),
        before_(types::Measure::kLoss, 0, setting),
        parts_(dataset, drawn, graph.map().blocks, options, setting) {}

  BatchSums measure(const tensor::Batch& batch) {
    BatchSums sums;
    const BatchPositions positions =
        select_positions(batch, options_.positions, {options_.loss_positions, setting_.seed});
    const core::Stopwatch watch;
    const model::Spaces spaces = graph_.tap(batch);
    tensor::synchronize(spaces.final_state.device());
    forward_seconds_ += watch.seconds();
    sums.tokens = batch.real_tokens;
    if (positions.row.empty()) return sums;
    const at::Tensor cosine = meter_.cosine(spaces, positions);
    sums.cosine = document_sums(cosine, batch, positions.row);
    parts_.sum_cosine(cosine, batch, positions, sums);
    if (options_.loss_positions > 0.0) {
      const BatchPositions all =
          select_positions(batch, Positions::kSupervised, {0.0, setting_.seed});
      sums.before = document_sums(meter_.model_loss(spaces, all), batch, all.row);
    }
    if (positions.sampled.empty()) return sums;
    std::vector<std::int64_t> rows;
    for (const std::int64_t i : positions.sampled)
      rows.push_back(positions.row[static_cast<std::size_t>(i)]);
    const at::Tensor loss = meter_.loss(spaces, positions);
    sums.loss = document_sums(loss, batch, rows);
    parts_.sum_loss(loss, batch, positions, rows, sums);
    return sums;
  }

  void add(const BatchSums& sums) {
    tokens_ += sums.tokens;
    cosine_.add(sums.cosine);
    before_.add(sums.before);
    loss_.add(sums.loss);
    parts_.add(sums);
  }

  // A document's map, if it has a supervised position.
  void add_map(const data::Dataset& dataset, std::int64_t document) {
    types::TokenMap map =
        token_map(graph_, meter_, dataset, document, setting_.padding_id, setting_.token_text);
    if (!map.deviation.empty()) maps_.push_back(std::move(map));
  }

  // How far the last space is by now, for the progress line.
  std::string note() const {
    const auto last = static_cast<std::size_t>(graph_.map().blocks);
    return "deviation " + core::format_number(cosine_.deviation(0), 3) + " to " +
           core::format_number(cosine_.deviation(last), 3);
  }

  types::LayerProfile profile() const {
    types::LayerProfile profile;
    profile.positions = core::enum_to_string(options_.positions);
    profile.norm = core::enum_to_string(options_.norm);
    profile.tokens = tokens_;
    profile.basis_ridge = basis_.ridge();
    profile.forward_seconds = forward_seconds_;
    profile.seed = setting_.seed;
    profile.loss_before = loss_before();
    profile.deviations.push_back(cosine_.result());
    if (loss_.documents() > 1) profile.deviations.push_back(loss_.result());
    profile.token_maps = maps_;
    parts_.fill(profile);
    return profile;
  }

  void check_measured() const { parts_.check_measured(); }

 private:
  std::optional<types::LossBefore> loss_before() const {
    if (before_.documents() < 2) return std::nullopt;  // one has no standard error
    const types::Deviation only = before_.result();
    return types::LossBefore{
        only.deviation.front(), only.standard_error.front(), only.documents, only.positions};
  }

  const model::GraphCut& graph_;
  const CalibrationOptions& options_;
  const CalibrationSetting& setting_;
  SemanticBasis basis_;
  DeviationMeter meter_;
  DeviationSums cosine_;
  DeviationSums loss_;
  DeviationSums before_;  // of the last space alone, at every supervised position
  DomainSums parts_;
  std::vector<types::TokenMap> maps_;
  double forward_seconds_ = 0.0;
  std::int64_t tokens_ = 0;
};

// Documents of a rank between two looks at the clock.
constexpr std::size_t kChunk = 8;

std::size_t ranks_of(const CalibrationSetting& setting) {
  return setting.ranks == nullptr ? 1 : static_cast<std::size_t>(setting.ranks->size());
}

std::size_t rank_of(const CalibrationSetting& setting) {
  return setting.ranks == nullptr ? 0 : static_cast<std::size_t>(setting.ranks->rank());
}

// Whether a stop signal came to any rank.
bool stopped(const CalibrationSetting& setting) {
  const int signal = static_cast<int>(distributed::greatest(setting.ranks, core::stop_signal()));
  if (signal != 0 && setting.ranks != nullptr) core::set_stop_signal(signal);
  return signal != 0;
}

// The sample in an order whose every beginning is spread evenly over the lengths: multiples of the
// golden ratio, from a random start, spread evenly over [0, 1).
std::vector<std::int64_t> spread(
    const data::Dataset& dataset, std::vector<std::int64_t> drawn, std::uint64_t seed) {
  const auto length = [&dataset](std::int64_t place) {
    return dataset.documents[static_cast<std::size_t>(place)].ids.size();
  };
  std::stable_sort(drawn.begin(), drawn.end(),
      [&](std::int64_t a, std::int64_t b) { return length(a) < length(b); });
  constexpr double kGolden = 0.6180339887498949;
  core::Random random(seed, "calibration-order");
  const double start = random.uniform();
  std::vector<std::pair<double, std::int64_t>> keyed;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const double turn = start + kGolden * static_cast<double>(i);
    keyed.emplace_back(turn - std::floor(turn), drawn[i]);
  }
  std::sort(keyed.begin(), keyed.end());
  for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = keyed[i].second;
  return drawn;
}

// The documents that are measured together: all, or a few where the clock may end the pass.
std::vector<std::vector<std::int64_t>> chunks(
    const std::vector<std::int64_t>& stage, const CalibrationSetting& setting) {
  if (!setting.seconds) return {stage};
  std::vector<std::vector<std::int64_t>> chunks;
  for (const std::int64_t document : stage) {
    if (chunks.empty() || chunks.back().size() == kChunk * ranks_of(setting)) chunks.emplace_back();
    chunks.back().push_back(document);
  }
  return chunks;
}

// Whether the next chunk would end too late on any rank, if it takes as long as those before.
bool out_of_time(const CalibrationSetting& setting, double spent, std::int64_t done) {
  if (!setting.seconds || done == 0) return false;
  const auto next = static_cast<double>(kChunk * ranks_of(setting));
  const double needed = spent * (1.0 + next / static_cast<double>(done));
  return distributed::greatest(setting.ranks, needed - *setting.seconds) > 0.0;
}

// Ends the progress line however the pass is left.
class ProgressLine {
 public:
  ProgressLine(core::Progress& progress, std::int64_t documents) : progress_(progress) {
    progress_.begin("analyze", documents, "documents");
  }
  ~ProgressLine() { progress_.end(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  core::Progress& progress_;
};

enum class StageEnd { kMeasured, kOutOfTime, kStopped };

// Some more documents, each rank a batch at a time; `done` counts them. Sums are added in the order
// of the batches, so that they are those of one process.
StageEnd measure_stage(Calibration& calibration, const data::Dataset& dataset,
    const std::vector<std::int64_t>& stage, const CalibrationSetting& setting,
    const core::Stopwatch& watch, std::int64_t& done, core::Progress& progress) {
  for (const auto& chunk : chunks(stage, setting)) {
    if (out_of_time(setting, watch.seconds(), done)) return StageEnd::kOutOfTime;
    const data::Batcher batcher(dataset, chunk, {setting.batch_tokens, 0}, setting.padding_id);
    const std::vector<data::BatchPlan> plans = batcher.in_order();
    for (std::size_t first = 0; first < plans.size(); first += ranks_of(setting)) {
      if (stopped(setting)) return StageEnd::kStopped;
      const std::size_t own = first + rank_of(setting);
      const std::size_t end = std::min(plans.size(), first + ranks_of(setting));
      BatchSums sums;
      if (own < end) sums = calibration.measure(batcher.make(plans[own]));
      for (const BatchSums& one : gather(setting.ranks, std::move(sums))) calibration.add(one);
      for (std::size_t i = first; i < end; ++i)
        done += static_cast<std::int64_t>(plans[i].rows.size());
      progress.update(done, calibration.note());
    }
  }
  return StageEnd::kMeasured;
}

}  // namespace

std::optional<types::LayerProfile> calibrate(const model::GraphCut& graph,
    const data::Dataset& dataset, const CalibrationOptions& options,
    const CalibrationSetting& setting, core::Progress& progress) {
  const c10::NoGradGuard no_grad;
  const core::Stopwatch watch;
  const std::vector<std::int64_t> drawn =
      spread(dataset, draw_documents(dataset, options, setting), setting.seed);
  Calibration calibration(graph, dataset, drawn, options, setting);
  double stability = 0.0;
  std::int64_t done = 0;
  for (std::size_t begin = 0; begin < drawn.size();) {
    const std::size_t end =
        std::min(drawn.size(), std::max(2 * begin, static_cast<std::size_t>(options.documents)));
    const ProgressLine line(progress, static_cast<std::int64_t>(end));
    const std::vector<std::int64_t> stage(drawn.begin() + static_cast<std::ptrdiff_t>(begin),
        drawn.begin() + static_cast<std::ptrdiff_t>(end));
    const StageEnd how = measure_stage(calibration, dataset, stage, setting, watch, done, progress);
    if (how == StageEnd::kStopped) return std::nullopt;
    begin = end;
    if (setting.stability) stability = setting.stability(calibration.profile());
    if (how == StageEnd::kOutOfTime || stability >= options.stability) break;
  }
  calibration.check_measured();
  for (std::size_t i = 0;
       setting.token_text && i < drawn.size() && i < static_cast<std::size_t>(options.token_maps);
       ++i) {
    if (out_of_time(setting, watch.seconds(), done)) break;
    if (stopped(setting)) return std::nullopt;
    if (rank_of(setting) == 0) calibration.add_map(dataset, drawn[i]);
  }
  types::LayerProfile profile = calibration.profile();
  profile.seconds = watch.seconds();
  if (setting.stability) {
    profile.stability = stability;
    profile.stability_goal = options.stability;
  }
  return profile;
}

}  // namespace salf::calibration
