// The tokens of a domain's words: those that a file names, or those that the data have more often
// than general text.
#pragma once

#include "core/progress.h"
#include "data/rows/dataset.h"
#include "data/tokenizer/tokenizer.h"
#include "model/graph/graph_cut.h"

namespace salf::calibration {

struct DomainWords {
  std::vector<std::int64_t> ids;       // token ids, ascending, each once
  std::vector<std::int64_t> examples;  // some of them, the most telling first
  std::int64_t words = 0;              // entries of the file; 0 where no file named them
  std::int64_t split_words = 0;        // of them, those that are several tokens: each piece counts
  std::vector<std::string> unknown;    // those without any token
};

// The share of each token in general text, by id: a mean over sampled texts and its standard error.
struct TokenShares {
  std::vector<double> mean, error;
};

// Reads words and token ids: a JSON list of strings (words) and whole numbers (ids), or one entry a
// line, where digits alone are an id. A word counts as its token by itself and after a space; where
// neither is one token, as all pieces of both. Special tokens are no words. Throws Error(kIo);
// Error(kBadInput) for an empty file, text that is not UTF-8, an id that the tokenizer does not
// have, and when no word has a token.
DomainWords read_domain_words(const std::filesystem::path& file, const data::Tokenizer& tokenizer);

struct GeneralTextOptions {
  std::int64_t texts = 40;
  std::int64_t length = 16;  // tokens of each
  std::int64_t skipped = 3;  // of them, before the text has left its random beginning behind
  std::uint64_t seed = 1;
};

// Uses the model's own text as general text. Each text begins with a random token and goes on by
// draws from the next-token distribution without special tokens. The means are over these
// distributions, so that rare words have a share too. A tuned model writes as it was tuned to. Runs
// without autograd. Returns nothing if core::stop_signal() became set. Throws Error(kBadModel) when
// the distribution is not finite.
std::optional<TokenShares> general_text(const model::GraphCut& graph,
    const data::Tokenizer& tokenizer, const GeneralTextOptions& options, core::Progress& progress);

// Labels of the train split that are over-represented against general text, by log-odds with an
// informative Dirichlet prior (Monroe, Colaresi, Quinn, Fightin' Words, Political Analysis 16,
// 2008, eq. 15-22). The prior is the general text with the weight of kPriorTokens: δ_v = logit((y_v
// + α_v)/(n + α_0)) − logit(p_v), α_v = α_0·p_v, variance 1/(y_v + α_v) + (error_v/p_v)². A token
// counts where δ_v ≥ log 2, δ_v ≥ 3 standard errors, and it is in at least three documents. Throws
// Error(kBadInput) when there is none.
constexpr double kPriorTokens = 500.0;
DomainWords overrepresented_words(
    const data::Dataset& dataset, const TokenShares& general, const data::Tokenizer& tokenizer);

}  // namespace salf::calibration
