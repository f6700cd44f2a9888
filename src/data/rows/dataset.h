// The documents of a data file as tokens, with the labels that carry loss, and their splits.
#pragma once

#include "core/fields.h"
#include "core/progress.h"
#include "data/chat/chat_template.h"
#include "data/rows/row_file.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

// The treatment of a document that is longer than the limit.
enum class LongRows { kCut, kRefuse };
inline std::vector<core::EnumName<LongRows>> enum_names(LongRows) {
  return {{LongRows::kCut, "cut"}, {LongRows::kRefuse, "refuse"}};
}

enum class Split { kAll, kTrain, kDev, kTest };
inline std::vector<core::EnumName<Split>> enum_names(Split) {
  return {
      {Split::kAll, "all"}, {Split::kTrain, "train"}, {Split::kDev, "dev"}, {Split::kTest, "test"}};
}

// The options of every command that takes --data.
struct DataOptions {
  std::vector<std::string> data;  // files, also gzip; "-": standard input
  std::string chat_template;  // of conversations: a built-in name or a Jinja file; "": the model's
  FileFormat format = FileFormat::kAuto;  // of the files; auto: by name and content
  bool skip_bad = false;                  // count bad rows instead of stopping at the first
  bool train_on_prompt = false;           // the prompt carries loss too
  LongRows long_rows = LongRows::kCut;
  std::int64_t max_length = 0;  // tokens of a document; 0: the model's context
  double dev_share = 0.1;       // of the documents, by hash
  double test_share = 0.1;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Data");
    visit(Field{"data",
              "file with the documents (JSONL, JSON, CSV, TSV, .txt), also gzip; - is standard "
              "input; "
              "several: give the flag again"}
              .common(),
        self.data);
    visit(Field{"chat_template",
              "template of conversations (rows with messages): chatml, smollm, qwen2, qwen2.5, "
              "qwen3, "
              "llama2, llama3, llama3.1, mistral-v0.1, mistral-v0.2, mistral-v0.3, gemma, phi3, "
              "zephyr, vicuna, alpaca, or a Jinja file; nothing: the model's"}
              .common(),
        self.chat_template);
    visit(Field{"format", "what the files are; auto: by name and content"}, self.format);
    visit(Field{"skip_bad", "count bad rows instead of stopping at the first"}, self.skip_bad);
    visit(Field{"train_on_prompt", "prompts carry loss too, and in conversations every turn"},
        self.train_on_prompt);
    visit(Field{"long_rows", "documents longer than the limit: cut or refuse"}, self.long_rows);
    visit(Field{"max_length", "tokens of a document at most; 0: the model's context"}.range(0, 1e7),
        self.max_length);
    visit(Field{"dev_share", "share of documents held out for decisions"}.range(0, 0.9),
        self.dev_share);
    visit(Field{"test_share", "share of documents held out for the last figure"}.range(0, 0.9),
        self.test_share);
  }
};

// True if one of the files is standard input, which can be read once only.
bool reads_standard_input(const DataOptions& options);

// One document as tokens. labels[t] is the token to predict at position t, tensor::kNoLabel: none.
struct Document {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> labels;
  std::int64_t line = 0;     // 1-based line of a JSONL/text file, 1-based index in a JSON array
  std::int64_t domain = -1;  // index into Dataset::domains; -1: the row names none
};

// The labels that carry loss.
std::int64_t count_labels(const Document& document);

// A question with options, for multiple-choice accuracy. The model's choice is the option with the
// largest log-likelihood per byte, Σ_t log p(label_t) / option_bytes. An option has no loss on its
// prompt and no eos, so that only its own text is compared. The texts that are scored:
// - rows with `options`: each option after the prompt;
// - rows whose instruction lists "answer1: … answer2: …" and whose `answer` is such a label: the
//   row's output with the right label replaced by each of the labels ("the correct answer is
//   answer3"). Fine-tuning teaches this form; the model never answers with the options' texts.
struct ChoiceRow {
  std::vector<Document> options;           // one per option: prompt without loss, option with loss
  std::vector<std::int64_t> option_bytes;  // bytes of each option's text, for normalisation
  std::int64_t answer = 0;                 // index of the right option
  std::int64_t line = 0;
  Split split = Split::kTrain;  // that of the row's document
};

// A name and how often it occurred.
struct NameCount {
  std::string name;
  std::int64_t count = 0;
};

// Counts of what was read and what was left out.
struct DataReport {
  std::vector<NameCount> files;          // rows of each file, in order
  std::vector<NameCount> unused_keys;    // keys of rows that hold something and are not used
  std::vector<std::string> no_tokens;    // markers of the chat template that are no tokens
  bool without_end = false;              // documents were made, and the tokenizer has no end token
  bool turns_without_end = false;        // answers of conversations end in no special token
  std::int64_t left_out_contents = 0;    // messages whose content is not in the template's text
  std::int64_t rows = 0;                 // read, bad ones and duplicates among them
  std::int64_t bad_rows = 0;             // only with skip_bad
  std::string first_bad_row;             // "file:line: reason", "" if none
  std::int64_t duplicates = 0;           // dropped (the same text as an earlier row)
  std::int64_t cut_documents = 0;        // longer than the limit
  std::int64_t without_supervision = 0;  // dropped: no token carries loss (after cutting)
  std::int64_t choices = 0;              // questions with options
  std::int64_t chats = 0;                // documents that were conversations
  std::int64_t dev_overlap = 0;          // dev documents whose prompt train has too (see Dataset)
  std::int64_t test_overlap = 0;         // test documents whose prompt train or dev has too
  std::int64_t odd_domains = 0;   // rows whose field "domain" is no text: they count as without one
  std::int64_t long_choices = 0;  // questions left out: an option does not fit within the limit
};

// The report in sentences for people, the most important first, without the counts that are 0.
std::vector<std::string> describe(const DataReport& report);
// What the user should know before training: nothing of the data is lost without a word.
std::vector<std::string> warnings(const DataReport& report);

// A document's split depends on its whole text, so documents with the same prompt and other
// completions may be in several splits. They are counted (dev_overlap, test_overlap), not moved.
// The comparison takes the prompt, of a conversation everything before its last answer, of a text
// all of it; it ignores case (A-Z) and white space.
struct Dataset {
  std::vector<Document> documents;  // in file order, deduplicated
  std::vector<Split> splits;        // one per document: by hash of its text, the same in every run
  std::vector<ChoiceRow> choices;   // rows with options and answer, if any
  // The field "domain" of the rows, each text once, in the order in which they come.
  std::vector<std::string> domains;
  // SHA-256 of the file's bytes, of several files that of their hashes; where there are
  // conversations, of that and their template.
  std::string hash;
  std::string chat_template;    // name of the conversations' template; "" if there are none
  std::string template_source;  // Jinja
  // The token that ends the assistant's turns, where the template has one.
  std::optional<std::int64_t> turn_end;
  DataReport report;

  // Indices of the documents of one split, in file order.
  std::vector<std::int64_t> indices(Split split) const;
};

// Reads, checks, tokenises and splits data files, each once, from begin to end.
//
// A file is JSON (an array of rows, or an object that holds one under "data", "train", "rows" or
// "examples"), JSONL (a row a line), CSV or TSV (columns are keys) or plain text (a document a
// paragraph; blank lines divide). The name decides: .json, .jsonl, .ndjson, .csv, .tsv; .txt, .text
// and .md are plain text. For other names and standard input ("-") the first character decides:
// '[' or '{' begins JSON; other texts need --format text. Empty lines are skipped; CRLF and a byte
// order mark are understood. Any of them may be compressed with gzip, whatever the name
// ("rows.txt.gz" counts as "rows.txt"). A file may expand to 64 MiB, and beyond that to 200 times
// its size. Parquet, YAML, UTF-16 and Git LFS pointers are refused by name.
//
// A row is an object. Further keys are allowed and counted. The first of several forms counts:
//   messages: [{role, content}] | conversations: [{from, value}]; beside them system, tools (or
//   functions), documents, chat_template_kwargs
//   prompt and completion as lists of messages: the prompt's carry no loss
//   question (prompt, instruction, question_stem), options (or choices), answer (or answerKey), and
//   completion or output if the right option's text is not what should be trained
//   prompt, completion (response) | instruction, input, output (response) | question (query),
//   context, answer (response) | input, output
//   text
// A prompt begins with system and with history ([[question, answer], …]) where the row has them.
// Answers may be numbers. A string in the field "domain" names the part of the data that a row
// belongs to (analyze measures each). `answer` to options is an option's text or label, its index
// from 0, its letter from "A", or a label that ends in its number from 1 ("answer2"). `choices` may
// be {"text": […], "label": […]}.
//
// A conversation (roles system, developer, user, assistant, tool; ShareGPT's human, gpt,
// function_call, observation) becomes one document by a chat template (chat_template.h):
// options.chat_template, or `model_template`. Ids are those of transformers' apply_chat_template():
// the whole text is tokenised, special tokens in it are special even where a message quotes them,
// and neither bos nor eos is added. The assistant's answers carry loss, each with the token that
// ends its turn, unless the message says otherwise (weight 0, train false, …); with train_on_prompt
// everything does.
//
// In other rows, the parts of a prompt stand on lines of their own. A prompt ends with a newline
// unless it is empty or ends in white space. A completion and a text end with eos, if the tokenizer
// has one; bos begins where the tokenizer wants it; a text that has them is not given them twice. A
// prompt and its completion are tokenised separately, so the loss begins between two tokens. All of
// a text carries loss but its first token, which nothing predicts.
//
// The limit of a document is max_length, or `context` (the model's longest input; 0: none) if that
// is 0. long_rows decides about longer ones; a refused document is a bad row. A document's split
// depends on its own text and the shares only.
//
// `vocabulary`: rows of the model's embedding; a row whose text has ids beyond is a bad row. 0: all
// ids are the model's.
//
// Errors name the file and the line ("data.jsonl:17"), or the row of an array ("data.json, row
// 17"). Throws Error(kIo); Error(kUsage) if max_length is beyond the context, the shares leave
// nothing to train on, or the format of conversations is not known; Error(kBadInput) for bad rows,
// for an empty file, without any supervised token, and if no document falls into train although dev
// or test has a share.
Dataset load_dataset(const DataOptions& options, const Tokenizer& tokenizer, std::int64_t context,
    core::Progress& progress, const ModelTemplate& model_template = {},
    std::int64_t vocabulary = 0);

// At most `count` documents of a split, as indices in file order. They are sorted by length and cut
// into `count` equal strata, and one is drawn from each, so lengths are distributed as in the
// whole. Equal arguments give equal documents on every machine. REQUIRES: count >= 0
std::vector<std::int64_t> sample_documents(
    const Dataset& dataset, Split split, std::int64_t count, std::uint64_t seed);

}  // namespace salf::data
