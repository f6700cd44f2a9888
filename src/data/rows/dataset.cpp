#include "data/rows/dataset.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/random.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/row_file.h"
#include "tensor/batch.h"

namespace salf::data {
namespace {

std::size_t index_of(std::int64_t value) { return static_cast<std::size_t>(value); }

std::string finished_prompt(std::string prompt) {
  if (!prompt.empty() && kBlank.find(prompt.back()) == std::string_view::npos) prompt += '\n';
  return prompt;
}

// Test takes the low end of the hashes and dev the high end: changing one share moves no document
// into or out of the other.
Split split_of_hash(std::uint64_t hash, const DataOptions& options) {
  const double place = static_cast<double>(hash >> 11U) * 0x1.0p-53;  // [0, 1)
  if (place < options.test_share) return Split::kTest;
  if (place >= 1.0 - options.dev_share) return Split::kDev;
  return Split::kTrain;
}

std::int64_t document_limit(const DataOptions& options, std::int64_t context) {
  std::vector<std::string> problems = core::range_problems(options);
  if (!(options.dev_share + options.test_share < 1.0)) {
    problems.push_back("--dev-share " + core::format_number(options.dev_share) +
                       " and --test-share " + core::format_number(options.test_share) +
                       " leave nothing to train on: their sum must be below 1");
  }
  if (context > 0 && options.max_length > context) {
    problems.push_back("--max-length " + std::to_string(options.max_length) +
                       " is more than the model's longest input of " + std::to_string(context) +
                       " tokens");
  }
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "\n"));
  return options.max_length > 0 ? options.max_length : context;
}

void append(MarkedTokens& tokens, const std::vector<std::int64_t>& ids, bool loss) {
  tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
  tokens.loss.resize(tokens.ids.size(), loss);
}

Document labelled(MarkedTokens tokens, std::int64_t line) {
  Document document;
  document.line = line;
  document.ids = std::move(tokens.ids);
  document.labels.assign(document.ids.size(), tensor::kNoLabel);
  for (std::size_t t = 1; t < document.ids.size(); ++t) {
    if (tokens.loss[t]) document.labels[t - 1] = document.ids[t];
  }
  return document;
}

// The row's texts before they are formatted or tokenised. Equal rows are duplicates.
std::string identity(const RowText& row) {
  if (row.messages.empty()) return row.prompt + '\0' + row.completion;
  std::string text;
  for (const ChatMessage& message : row.messages) {
    text += '\0' + std::to_string(static_cast<int>(message.role)) + '\0' + message.content;
  }
  return text;
}

// The part that another document may share; see Dataset.
std::string shared_part(const RowText& row) {
  if (row.messages.empty()) return row.prompt.empty() ? row.completion : row.prompt;
  std::size_t count = row.messages.size();
  while (count > 0 && row.messages[count - 1].role != ChatRole::kAssistant) --count;
  std::string text;
  for (std::size_t i = 0; i + 1 < count; ++i) text += row.messages[i].content + '\n';
  return text;
}

unsigned bit(Split split) { return 1U << static_cast<unsigned>(split); }

// `text` in lower case (A-Z) with single spaces.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : core::ascii_lower(std::string(text))) {
    if (kBlank.find(c) == std::string_view::npos) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

// Counts documents that share their prompt with another split. A document that is held out is no
// test if training saw its prompt with another completion.
class OverlapCounter {
 public:
  void add(std::string_view prompt, Split split) {
    const std::uint64_t key = core::stable_hash(plain(prompt));
    keys_.push_back(key);
    splits_[key] |= bit(split);
  }

  // `splits`: those of the documents that were added, in order.
  void count(const std::vector<Split>& splits, DataReport& report) const {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const unsigned seen = splits_.at(keys_[i]);
      const unsigned before_test = bit(Split::kTrain) | bit(Split::kDev);
      if (splits[i] == Split::kDev && (seen & bit(Split::kTrain)) != 0) ++report.dev_overlap;
      if (splits[i] == Split::kTest && (seen & before_test) != 0) ++report.test_overlap;
    }
  }

 private:
  std::vector<std::uint64_t> keys_;                     // of each document
  std::unordered_map<std::uint64_t, unsigned> splits_;  // key -> bits 1 << Split
};

// Fills a dataset row by row.
class Loader {
 public:
  Loader(const DataOptions& options, const Tokenizer& tokenizer, std::int64_t limit,
      const ModelTemplate& model_template)
      : options_(options), tokenizer_(tokenizer), limit_(limit), model_template_(model_template) {
    if (const auto bos = tokenizer.bos_id()) special_.bos = tokenizer.decode({*bos});
    if (const auto eos = tokenizer.eos_id()) special_.eos = tokenizer.decode({*eos});
    if (!options.chat_template.empty())
      chat_ = choose_chat_format(options.chat_template, model_template);
  }

  Dataset load(RowFile& file, core::Progress& progress) {
    constexpr std::int64_t kRowsPerUpdate = 256;
    DataFile& source = file.file();
    progress.begin("reading data", source.size(), "bytes");
    while (read_one(file)) {
      if (data_.report.rows % kRowsPerUpdate == 0) progress.update(file.bytes_read(), "");
    }
    progress.end();
    check_not_empty(source.name());
    overlap_.count(data_.splits, data_.report);
    data_.hash = source.hash();
    if (data_.report.chats > 0) {  // the tokens of conversations depend on their format
      data_.hash =
          core::sha256(data_.hash + '\n' + core::format_json(core::to_json(chat_->format)));
    }
    return std::move(data_);
  }

 private:
  bool read_one(RowFile& file) {
    DataReport& report = data_.report;
    try {
      const std::optional<FileRow> row = file.next();
      if (!row) return false;
      add(*row);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kBadInput || !options_.skip_bad) throw;
      if (report.bad_rows++ == 0) report.first_bad_row = error.what();
    }
    ++report.rows;
    return true;
  }

  void add(const FileRow& row) {
    const std::uint64_t hash = core::stable_hash(identity(row.text));
    if (!seen_.insert(hash).second) {
      ++data_.report.duplicates;
      return;
    }
    const Split split = split_of_hash(hash, options_);
    if (!row.text.messages.empty()) return add_document(row, conversation(row), split);
    const std::vector<std::int64_t> prompt = tokenizer_.encode(finished_prompt(row.text.prompt));
    MarkedTokens tokens = joined(prompt, row.text.completion, options_.train_on_prompt);
    if (const auto eos = tokenizer_.eos_id()) append(tokens, {*eos}, true);
    add_document(row, std::move(tokens), split);
    if (row.text.question) add_question(row, prompt, split);
  }

  MarkedTokens conversation(const FileRow& row) {
    if (!chat_) chat_ = choose_chat_format("", model_template_);
    const ChatText chat = render_chat(chat_->format, row.text.messages, special_, row.where);
    MarkedTokens tokens = encode_chat(chat, tokenizer_, index_of(limit_));
    if (options_.train_on_prompt) tokens.loss.assign(tokens.ids.size(), true);
    return tokens;
  }

  void add_document(const FileRow& row, MarkedTokens tokens, Split split) {
    if (too_long(tokens)) {
      if (options_.long_rows == LongRows::kRefuse) {
        refuse(row.where, "the document has " + std::to_string(tokens.ids.size()) +
                              " tokens, the limit is " + std::to_string(limit_) +
                              "; shorten it, or let it be cut with --long-rows cut");
      }
      tokens.ids.resize(index_of(limit_));
      ++data_.report.cut_documents;
    }
    Document document = labelled(std::move(tokens), row.line);
    if (count_labels(document) == 0) {
      ++data_.report.without_supervision;
      return;
    }
    if (!row.text.messages.empty()) {
      ++data_.report.chats;
      data_.chat_template = chat_->name;
    }
    overlap_.add(shared_part(row.text), split);
    document.domain = domain_index(row.text.domain);
    data_.report.odd_domains += row.text.odd_domain ? 1 : 0;
    data_.documents.push_back(std::move(document));
    data_.splits.push_back(split);
  }

  std::int64_t domain_index(const std::string& name) {
    if (name.empty()) return -1;
    const auto next = static_cast<std::int64_t>(data_.domains.size());
    const auto place = domains_.emplace(name, next);
    if (place.second) data_.domains.push_back(name);
    return place.first->second;
  }

  void add_question(const FileRow& row, const std::vector<std::int64_t>& prompt, Split split) {
    ChoiceRow choice;
    choice.answer = static_cast<std::int64_t>(row.text.question->answer);
    choice.line = row.line;
    choice.split = split;
    for (const std::string& option : row.text.question->options) {
      MarkedTokens tokens = joined(prompt, option, false);
      if (too_long(tokens)) {
        ++data_.report.long_choices;
        return;
      }
      choice.options.push_back(labelled(std::move(tokens), row.line));
      choice.option_bytes.push_back(static_cast<std::int64_t>(option.size()));
    }
    ++data_.report.choices;
    data_.choices.push_back(std::move(choice));
  }

  // bos, prompt, completion.
  MarkedTokens joined(const std::vector<std::int64_t>& prompt, const std::string& completion,
      bool loss_on_prompt) const {
    MarkedTokens tokens;
    if (tokenizer_.add_bos() && tokenizer_.bos_id()) append(tokens, {*tokenizer_.bos_id()}, false);
    append(tokens, prompt, loss_on_prompt);
    append(tokens, tokenizer_.encode(completion), true);
    return tokens;
  }

  bool too_long(const MarkedTokens& tokens) const {
    return limit_ > 0 && tokens.ids.size() > index_of(limit_);
  }

  void check_not_empty(const std::string& file) const {
    const DataReport& report = data_.report;
    if (report.rows == 0) refuse(file, "no rows: the file is empty");
    if (report.bad_rows == report.rows) {
      refuse(file, "every row is bad; the first: " + report.first_bad_row);
    }
    if (data_.documents.empty()) throw_no_supervision(file);
    const bool divided = options_.dev_share > 0 || options_.test_share > 0;
    if (divided && data_.indices(Split::kTrain).empty()) {
      refuse(file,
          "none of the " + std::to_string(data_.documents.size()) +
              " documents falls into the train split; give more rows, or lower --dev-share and "
              "--test-share");
    }
  }

  [[noreturn]] void throw_no_supervision(const std::string& file) const {
    const std::int64_t cut = data_.report.cut_documents;
    refuse(
        file, "no supervised token: no document has a token that carries loss; " +
                  (cut == 0 ? "the completions are empty, or conversations have no assistant"
                            : core::format_count(cut) + " were cut to " + std::to_string(limit_) +
                                  " tokens, which leaves only their prompts: raise --max-length"));
  }

  const DataOptions& options_;
  const Tokenizer& tokenizer_;
  std::int64_t limit_;
  const ModelTemplate& model_template_;
  std::optional<NamedFormat> chat_;  // chosen with the first conversation
  SpecialTexts special_;
  OverlapCounter overlap_;
  Dataset data_;
  std::unordered_map<std::string, std::int64_t> domains_;  // places in data_.domains
  std::unordered_set<std::uint64_t> seen_;                 // hashes of the rows' texts
};

}  // namespace

std::vector<std::int64_t> Dataset::indices(Split split) const {
  std::vector<std::int64_t> result;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (split == Split::kAll || splits[i] == split) result.push_back(static_cast<std::int64_t>(i));
  }
  return result;
}

std::int64_t count_labels(const Document& document) {
  return static_cast<std::int64_t>(document.labels.size()) -
         std::count(document.labels.begin(), document.labels.end(), tensor::kNoLabel);
}

Dataset load_dataset(const DataOptions& options, const Tokenizer& tokenizer, std::int64_t context,
    core::Progress& progress, const ModelTemplate& model_template) {
  Loader loader(options, tokenizer, document_limit(options, context), model_template);
  return loader.load(*open_row_file(options.data), progress);
}

std::vector<std::int64_t> sample_documents(
    const Dataset& dataset, Split split, std::int64_t count, std::uint64_t seed) {
  std::vector<std::int64_t> available = dataset.indices(split);
  const auto total = static_cast<std::int64_t>(available.size());
  if (count >= total) return available;
  std::stable_sort(available.begin(), available.end(), [&](std::int64_t a, std::int64_t b) {
    return dataset.documents[index_of(a)].ids.size() < dataset.documents[index_of(b)].ids.size();
  });
  core::Random random(seed, "sample-documents");
  std::vector<std::int64_t> drawn;
  for (std::int64_t stratum = 0; stratum < count; ++stratum) {
    const std::int64_t begin = stratum * total / count;
    const std::int64_t end = (stratum + 1) * total / count;
    const auto offset = random.below(static_cast<std::uint64_t>(end - begin));
    drawn.push_back(available[index_of(begin) + offset]);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

std::vector<std::string> describe(const DataReport& report) {
  std::vector<std::string> lines;
  const auto say = [&](std::int64_t count, const std::string& text) {
    if (count > 0) lines.push_back(core::format_count(count) + " " + text);
  };
  say(report.rows, "rows read");
  say(report.bad_rows, "bad rows left out; the first: " + report.first_bad_row);
  say(report.duplicates, "duplicates left out");
  say(report.chats, "conversations");
  say(report.cut_documents, "documents cut to the limit");
  say(report.without_supervision, "documents left out: no token carries loss");
  say(report.dev_overlap,
      "dev documents have a prompt that train has too: what dev says is too good");
  say(report.test_overlap,
      "test documents have a prompt that train or dev has too: what test says is too good");
  say(report.odd_domains, "rows whose domain is no text: they count as without one");
  say(report.choices, "questions with options");
  say(report.long_choices, "questions left out: an option does not fit within the limit");
  return lines;
}

}  // namespace salf::data
