// Which documents are there, which part of each carries loss, and to which split does it belong?
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "salf/core/fields.h"
#include "salf/core/progress.h"
#include "salf/data/tokenizer.h"

namespace salf::data {

// What to do with a document that is longer than the limit.
enum class LongRows { kCut, kRefuse };
inline std::vector<core::EnumName<LongRows>> enum_names(LongRows) {
  return {{LongRows::kCut, "cut"}, {LongRows::kRefuse, "refuse"}};
}

enum class Split { kAll, kTrain, kDev, kTest };
inline std::vector<core::EnumName<Split>> enum_names(Split) {
  return {{Split::kAll, "all"}, {Split::kTrain, "train"}, {Split::kDev, "dev"}, {Split::kTest, "test"}};
}

// How rows are read: shared by every command that takes --data.
struct DataOptions {
  std::string data;              // JSONL, JSON array or plain text file
  bool skip_bad = false;         // count bad rows instead of stopping at the first
  bool train_on_prompt = false;  // the prompt carries loss too
  LongRows long_rows = LongRows::kCut;
  std::int64_t max_length = 0;   // tokens of a document; 0: the model's context
  double dev_share = 0.1;        // of the documents, by hash
  double test_share = 0.1;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"data", "JSONL, JSON or plain text file with the documents"}, self.data);
    visit(Field{"skip_bad", "count bad rows instead of stopping at the first"}, self.skip_bad);
    visit(Field{"train_on_prompt", "prompts carry loss too"}, self.train_on_prompt);
    visit(Field{"long_rows", "documents longer than the limit: cut or refuse"}, self.long_rows);
    visit(Field{"max_length", "tokens of a document at most; 0: the model's context"}.range(0, 1e7),
          self.max_length);
    visit(Field{"dev_share", "share of documents held out for decisions"}.range(0, 0.9), self.dev_share);
    visit(Field{"test_share", "share of documents held out for the last figure"}.range(0, 0.9),
          self.test_share);
  }
};

// One document as tokens. labels[t] is what position t should predict (shifted; tensor::kNoLabel: none).
struct Document {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> labels;
  std::int64_t line = 0;  // 1-based line of a JSONL/text file, 1-based index in a JSON array
};

// A question with options, for multiple-choice accuracy.
struct ChoiceRow {
  std::vector<Document> options;  // one per option: prompt without loss, option with loss
  std::vector<std::int64_t> option_bytes;  // length of each option's text, for normalisation
  std::int64_t answer = 0;        // index of the right option
  std::int64_t line = 0;
};

// What was read and what was left out.
struct DataReport {
  std::int64_t rows = 0;
  std::int64_t bad_rows = 0;           // only with skip_bad
  std::string first_bad_row;           // "file:line: reason", "" if none
  std::int64_t duplicates = 0;         // dropped (the same text as an earlier row)
  std::int64_t cut_documents = 0;      // longer than the limit
  std::int64_t without_supervision = 0;  // dropped: no token carries loss after cutting
};

struct Dataset {
  std::vector<Document> documents;  // in file order, deduplicated
  std::vector<Split> splits;        // one per document: by hash of its text, the same in every run
  std::vector<ChoiceRow> choices;   // rows with options and answer, if any
  std::string hash;                 // SHA-256 of the file
  DataReport report;

  // Indices of the documents of one split, in file order.
  std::vector<std::int64_t> indices(Split split) const;
  std::int64_t supervised_tokens() const;
};

// Reads, checks, tokenises and splits. Row forms: prompt/completion, question/answer, alpaca's
// instruction/input/output, text; a plain text file has one document a paragraph. A prompt ends with a
// newline unless it already ends in white space; a completion ends with eos. A prompt and its completion are
// tokenised separately, so that the loss mask falls between tokens.
// `context` is the model's longest input. Errors name the file and the line.
// Throws Error(kIo), Error(kBadInput) (also when no supervised token is left).
Dataset load_dataset(const DataOptions& options, const Tokenizer& tokenizer, std::int64_t context,
                     core::Progress& progress);

}  // namespace salf::data
