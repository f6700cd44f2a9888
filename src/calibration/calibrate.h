// One forward pass over a sample of documents, and the layer profile from it: deviations of every
// space, gains of every block, and their errors.
#pragma once

#include "calibration/deviation.h"
#include "core/fields.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "model/graph/graph_cut.h"
#include "types/layer_profile.h"

namespace salf::distributed {
class Group;
}

namespace salf::calibration {

struct CalibrationOptions {
  std::int64_t documents = 64;
  std::int64_t max_documents = 256;
  double stability = 0.9;
  double loss_positions = 0.04;  // share of the supervised positions; 0: no loss deviation
  Positions positions = Positions::kSupervised;
  Norm norm = Norm::kFinal;
  std::int64_t token_maps = 2;
  std::string basis_vocabulary;  // "": none

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Analysis");
    visit(Field{"documents",
              "documents of the train split that are drawn first to measure the layers"}
              .range(2, 1e9),
        self.documents);
    visit(Field{"max_documents",
              "while the choice has not settled as many again are drawn, up to this many"}
              .range(2, 1e9),
        self.max_documents);
    visit(Field{"stability",
              "settled: this share of resamples makes the same choice (max-gain); 0: no more are "
              "drawn"}
              .range(0, 1),
        self.stability);
    visit(Field{"loss_positions",
              "share of the positions at which the loss is taken of every space too (of the last "
              "one it is at all); 0: none"}
              .range(0, 1),
        self.loss_positions);
    visit(Field{"positions",
              "measure at every supervised token or at each prompt's last: supervised or last"},
        self.positions);
    visit(Field{"token_maps",
              "documents whose tokens are kept with each space's deviation and nearest word, for "
              "the report; 0: none of the data's text is kept"}
              .range(0, 20),
        self.token_maps);
    visit(Field{"basis_vocabulary",
              "choose the cut by the words of a domain: a file of words or token ids (one a "
              "line, or a JSON list), or data: the words that these data have more often than "
              "general text"},
        self.basis_vocabulary);
    visit(Field{"norm", "apply the final norm to each space before it is measured: final or none"},
        self.norm);
  }
};

// Values from the tokenizer, the batch options and the command.
struct CalibrationSetting {
  std::int64_t batch_tokens = 1024;  // padded tokens of a batch at most
  std::int64_t padding_id = 0;
  std::int64_t vocabulary_limit = 0;  // ids of the tokenizer
  std::uint64_t seed = 1;
  std::int64_t bootstrap_replicates = 200;
  // Seconds after which no further documents are begun; eight are always measured. Not set: no
  // limit.
  std::optional<double> seconds;
  // The stability of the choice, 0 … 1 (policy::RuleChoice::stability). Not set: only
  // options.documents are measured.
  std::function<double(const types::LayerProfile&)> stability{};
  // Text of one token, for the token maps; not set: none are made.
  std::function<std::string(std::int64_t)> token_text{};
  // Token ids of a domain vocabulary (domain_vocabulary.h), ascending. The deviations are taken
  // once more over the positions whose label is among them.
  std::optional<std::vector<std::int64_t>> vocabulary{};
  // That share the batches; null: this process alone. All get the profile of one process; the token
  // maps are made by the first. A stop signal of one is one of all.
  distributed::Group* ranks = nullptr;
};

// The least that a restricted measure needs.
constexpr std::int64_t kFewestDomainDocuments = 5;
constexpr std::int64_t kFewestVocabularyPositions = 20;
// Domains that are measured one by one.
constexpr std::size_t kMostDomains = 24;

// The profile without provenance, shape and the choices of rules, which the caller knows. It has
// the deviations of setting.vocabulary, and those of the kMostDomains domains with the most
// documents in the sample, if kFewestDomainDocuments of them were measured.
//
// data::sample_documents draws documents from the train split, seeded and stratified by length.
// Their order spreads every beginning evenly over the lengths. After options.documents, and each
// time as many again, calibrate asks setting.stability, until it gives options.stability or
// options.max_documents are measured. Memory does not depend on their number. The loss deviation is
// left out when positions of fewer than two documents were drawn for it. Runs without autograd.
//
// Returns nothing if core::stop_signal() became set. Throws Error(kBadInput) when the train split
// is empty or too few positions have a label of the vocabulary (before the pass, if the whole
// sample has too few), Error(kBadModel) when a state is not finite.
std::optional<types::LayerProfile> calibrate(const model::GraphCut& graph,
    const data::Dataset& dataset, const CalibrationOptions& options,
    const CalibrationSetting& setting, core::Progress& progress);

}  // namespace salf::calibration
