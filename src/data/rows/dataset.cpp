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
#include "data/chat/conversation.h"
#include "data/rows/prompts.h"
#include "tensor/batch.h"

namespace salf::data {
namespace {

std::size_t index_of(std::int64_t value) { return static_cast<std::size_t>(value); }

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

bool is_chat(const RowText& row) { return !row.chat.messages.empty(); }

// A content's text, or the JSON of a message that holds more than a role and a text.
std::string message_text(const core::Json& message) {
  const core::Json* const content = core::find_member(message, "content");
  const bool plain = message.size() == 2 && content != nullptr && content->is_string();
  return plain ? content->get<std::string>() : message.dump();
}

// The row's texts before they are formatted or tokenised. Equal rows are duplicates.
std::string identity(const RowText& row) {
  if (!is_chat(row)) return row.prompt + '\0' + row.completion;
  std::string text;
  for (const ChatMessage& message : row.chat.messages) {
    const std::string role = message.json.at("role");
    const int number = role == "system" ? 0 : role == "user" ? 1 : role == "assistant" ? 2 : 3;
    text += '\0' + std::to_string(number) + '\0' + message_text(message.json);
  }
  if (!row.chat.tools.empty()) text += '\0' + row.chat.tools.dump();
  if (!row.chat.documents.empty()) text += '\0' + row.chat.documents.dump();
  return text;
}

// The part that another document may share; see Dataset.
std::string shared_part(const RowText& row) {
  if (!is_chat(row)) return row.prompt.empty() ? row.completion : row.prompt;
  const auto& messages = row.chat.messages;
  std::size_t count = messages.size();
  while (count > 0 && !is_assistant(messages[count - 1])) --count;
  std::string text;
  for (std::size_t i = 0; i + 1 < count; ++i) text += message_text(messages[i].json) + '\n';
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
      const ModelTemplate& model_template, std::int64_t vocabulary)
      : options_(options), tokenizer_(tokenizer), limit_(limit), model_template_(model_template),
        vocabulary_(vocabulary), special_(special_texts(tokenizer)) {
    if (!options.chat_template.empty())
      chat_.emplace(choose_chat_template(options.chat_template, model_template, special_));
  }

  void read(RowFile& file, core::Progress& progress) {
    constexpr std::int64_t kRowsPerUpdate = 256;
    DataFile& source = file.file();
    const std::int64_t before = data_.report.rows;
    progress.begin("reading data", source.size(), "bytes");
    while (read_one(file)) {
      if (data_.report.rows % kRowsPerUpdate == 0) progress.update(file.bytes_read(), "");
    }
    progress.end();
    const std::int64_t rows = data_.report.rows - before;
    if (rows == 0) refuse(source.name(), "no rows: the file is empty");
    data_.report.files.push_back({source.name(), rows});
    hashes_.push_back(source.hash());
  }

  Dataset finish() {
    check_not_empty();
    overlap_.count(data_.splits, data_.report);
    data_.hash = hashes_.size() == 1 ? hashes_.front() : core::sha256(core::join(hashes_, "\n"));
    if (data_.report.chats > 0) {  // the tokens of conversations depend on their template
      data_.hash = core::sha256(data_.hash + '\n' + chat_->source());
      data_.template_source = chat_->source();
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
    if (is_chat(row.text)) {
      add_document(row, conversation(row), split);
      count_unused(row.text.unused);
      count_unused(chat_->unknown_keys(row.text.chat));
      return;
    }
    const std::vector<std::int64_t> prompt = tokenizer_.encode(finished_prompt(row.text.prompt));
    MarkedTokens tokens = joined(prompt, row.text.completion, options_.train_on_prompt);
    const auto eos = tokenizer_.eos_id();
    data_.report.without_end = data_.report.without_end || !eos;
    if (eos && (tokens.ids.empty() || tokens.ids.back() != *eos)) append(tokens, {*eos}, true);
    add_document(row, std::move(tokens), split);
    if (row.text.question) add_question(row, prompt, split);
    count_unused(row.text.unused);
  }

  void count_unused(const std::vector<std::string>& keys) {
    constexpr std::size_t kMostKeys = 100;
    auto& counts = data_.report.unused_keys;
    for (const std::string& key : keys) {
      const auto same = [&](const NameCount& known) { return known.name == key; };
      const auto found = std::find_if(counts.begin(), counts.end(), same);
      if (found != counts.end()) {
        ++found->count;
      } else if (counts.size() < kMostKeys) {
        counts.push_back({key, 1});
      }
    }
  }

  MarkedTokens conversation(const FileRow& row) {
    if (!chat_) chat_.emplace(choose_chat_template("", model_template_, special_));
    const ChatText chat = chat_->render(row.text.chat, row.where, !options_.train_on_prompt);
    if (data_.report.chats == 0) {
      data_.report.no_tokens = markers_without_token(chat.text, tokenizer_);
      data_.turn_end = turn_end(chat, tokenizer_);
      data_.report.turns_without_end = !chat.answers.empty() && !data_.turn_end;
    }
    data_.report.left_out_contents += static_cast<std::int64_t>(chat.left_out.size());
    MarkedTokens tokens = encode_chat(chat, tokenizer_, index_of(limit_));
    if (options_.train_on_prompt) tokens.loss.assign(tokens.ids.size(), true);
    return tokens;
  }

  void add_document(const FileRow& row, MarkedTokens tokens, Split split) {
    check_ids(tokens, row);
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
    if (is_chat(row.text)) {
      ++data_.report.chats;
      data_.chat_template = chat_->name();
    }
    overlap_.add(shared_part(row.text), split);
    document.domain = domain_index(row.text.domain);
    data_.report.odd_domains += row.text.odd_domain ? 1 : 0;
    data_.documents.push_back(std::move(document));
    data_.splits.push_back(split);
  }

  void check_ids(const MarkedTokens& tokens, const FileRow& row) const {
    if (vocabulary_ == 0) return;
    for (const std::int64_t id : tokens.ids) {
      if (id < vocabulary_) continue;
      refuse(row.where, "the text has the token " + core::printable(tokenizer_.decode({id}), 40) +
                            " with the id " + std::to_string(id) +
                            ", for which the model has no row: its vocabulary has " +
                            std::to_string(vocabulary_));
    }
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
      check_ids(tokens, row);
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
    append(tokens, prompt, loss_on_prompt);
    append(tokens, tokenizer_.encode(completion), true);
    const auto bos = tokenizer_.bos_id();
    if (!tokenizer_.add_bos() || !bos) return tokens;
    if (!tokens.ids.empty() && tokens.ids.front() == *bos) return tokens;
    tokens.ids.insert(tokens.ids.begin(), *bos);
    tokens.loss.insert(tokens.loss.begin(), false);
    return tokens;
  }

  bool too_long(const MarkedTokens& tokens) const {
    return limit_ > 0 && tokens.ids.size() > index_of(limit_);
  }

  void check_not_empty() const {
    const DataReport& report = data_.report;
    std::vector<std::string> names;
    for (const NameCount& read : report.files) names.push_back(read.name);
    const std::string file = core::join(names, ", ");
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
  std::int64_t vocabulary_;  // 0: any id
  SpecialTexts special_;
  std::optional<ChatTemplate> chat_;  // chosen with the first conversation
  std::vector<std::string> hashes_;   // of the files
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

bool reads_standard_input(const DataOptions& options) {
  return std::find(options.data.begin(), options.data.end(), "-") != options.data.end();
}

std::int64_t count_labels(const Document& document) {
  return static_cast<std::int64_t>(document.labels.size()) -
         std::count(document.labels.begin(), document.labels.end(), tensor::kNoLabel);
}

Dataset load_dataset(const DataOptions& options, const Tokenizer& tokenizer, std::int64_t context,
    core::Progress& progress, const ModelTemplate& model_template, std::int64_t vocabulary) {
  Loader loader(options, tokenizer, document_limit(options, context), model_template, vocabulary);
  for (const std::string& file : options.data)
    loader.read(*open_row_file(file, options.format), progress);
  return loader.finish();
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

namespace {

std::string named_counts(const std::vector<NameCount>& counts, const char* what) {
  std::vector<std::string> items;
  for (const NameCount& item : counts)
    items.push_back(
        core::printable(item.name, 60) + " (" + core::format_count(item.count) + what + ")");
  return core::join(items, ", ");
}

}  // namespace

std::vector<std::string> describe(const DataReport& report) {
  std::vector<std::string> lines;
  const auto say = [&](std::int64_t count, const std::string& text) {
    if (count > 0) lines.push_back(core::format_count(count) + " " + text);
  };
  say(report.rows, "rows read");
  if (report.files.size() > 1) lines.push_back("files: " + named_counts(report.files, " rows"));
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

std::vector<std::string> warnings(const DataReport& report) {
  std::vector<std::string> lines;
  if (!report.unused_keys.empty()) {
    lines.push_back(
        "keys of the rows that are not used: " + named_counts(report.unused_keys, " rows"));
  }
  if (report.left_out_contents > 0) {
    lines.push_back(core::format_count(report.left_out_contents) +
                    " messages whose content the chat template leaves out");
  }
  if (!report.no_tokens.empty()) {
    lines.push_back("the chat template writes " + core::join(report.no_tokens, ", ") +
                    ", which the tokenizer has no tokens for: the model reads these markers letter "
                    "by letter; take a template whose markers it knows, or add the tokens to it");
  }
  if (report.turns_without_end && report.no_tokens.empty()) {
    lines.emplace_back(
        "the chat template ends the assistant's turns in no special token: the model does not "
        "learn "
        "to stop");
  }
  if (report.without_end) {
    lines.emplace_back(
        "the tokenizer names no end token, so the documents end without one: the model does not "
        "learn to stop; name it in tokenizer_config.json as eos_token");
  }
  return lines;
}

}  // namespace salf::data
