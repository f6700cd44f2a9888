// How good a model is on held-out rows: loss, perplexity and next-token accuracy per supervised
// token, and multiple-choice accuracy, with intervals over documents.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "model/graph/graph_cut.h"
#include "train/cache/prefix_cache.h"
#include "types/evaluation.h"

namespace salf::distributed {
class Group;
}

namespace salf::train {

using types::ChoiceEvaluation;
using types::Evaluation;
using types::Figure;

struct DocumentLoss {
  std::int64_t document = 0;  // index in the dataset
  double loss = 0.0;          // summed over its supervised tokens, nats
  double correct = 0.0;       // supervised tokens with the right guess
  double tokens = 0.0;        // supervised tokens
};

struct MeasuredLosses {
  bool stopped = false;  // ended before all rows were seen; nothing else is set then
  Evaluation evaluation{};
  std::vector<DocumentLoss> documents{};  // by index in the dataset
};

struct EvaluateOptions {
  std::function<bool()> keep_going{};  // asked before each batch; false stops it
  PrefixCache* cache = nullptr;        // of this batcher's rows, at the cut `cut`
  std::int64_t cut = 0;                // only looked at with a cache
  // That share the rows, each asking keep_going for itself; null: this process alone. All get the
  // same result, which is that of one process.
  distributed::Group* ranks = nullptr;
};

// The batches that this rank scores.
std::vector<data::BatchPlan> evaluated_batches(
    const data::Batcher& batcher, const distributed::Group* ranks);

// Streams all rows of `batcher`. With no supervised token all figures are NaN.
MeasuredLosses evaluate(const model::GraphCut& graph, const data::Batcher& batcher,
    const EvaluateOptions& options, core::Progress& progress);

// A row counts as right if its answer has the largest likelihood per byte of the option's text;
// ties go to the earlier option. `batch_tokens`: padded tokens of a batch at most (one option at
// least). Fewer rows than given: it was stopped.
ChoiceEvaluation evaluate_choices(const model::GraphCut& graph,
    const std::vector<data::ChoiceRow>& rows, std::int64_t batch_tokens,
    const EvaluateOptions& options, core::Progress& progress);

// Wilson's 95 % interval of `successes` in `trials`. REQUIRES: trials > 0
Figure wilson(std::int64_t successes, std::int64_t trials);

}  // namespace salf::train
