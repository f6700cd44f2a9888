#include "commands/preview.h"

#include <sys/ioctl.h>
#include <unicode/uchar.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "model/model_directory.h"
#include "tensor/batch.h"

namespace salf::tools {
namespace {

constexpr const char* kLossColour = "\033[1;32m";
constexpr const char* kOtherColour = "\033[2m";
constexpr const char* kPlainColour = "\033[0m";

// What the preview needs of a model: no weights are read.
struct TokenizerFile {
  std::filesystem::path path;
  std::int64_t context = 0;
};

TokenizerFile find_tokenizer(const PreviewOptions& options) {
  namespace fs = std::filesystem;
  if (options.model.empty()) return {options.tokenizer, 0};
  if (fs::path(options.model).extension() == ".json") return {options.model, 0};
  const fs::path beside = fs::path(options.model) / "tokenizer.json";
  if (fs::is_regular_file(beside) && !fs::exists(fs::path(options.model) / "model.pt")) {
    return {options.tokenizer.empty() ? beside : fs::path(options.tokenizer), 0};
  }
  const model::ModelFiles files = model::find_model(options.model, options.tokenizer);
  if (files.tokenizer.empty()) {
    throw Error(ErrorKind::kBadModel,
        options.model +
            ": there is no tokenizer.json beside the model; --tokenizer FILE names one");
  }
  return {files.tokenizer, files.card.context};
}

PreviewStyle terminal_style() {
  PreviewStyle style;
  if (isatty(STDOUT_FILENO) != 1) return style;
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::string(terminal) == "dumb";
  style.colour = (no_colour == nullptr || *no_colour == '\0') && !is_dumb;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.width = size.ws_col;
  return style;
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

// Characters that would move the cursor, hide, or turn the direction of what follows.
bool is_hidden(UChar32 code) {
  const auto type = u_charType(code);
  return type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_LINE_SEPARATOR ||
         type == U_PARAGRAPH_SEPARATOR || type == U_UNASSIGNED || type == U_PRIVATE_USE_CHAR ||
         type == U_SURROGATE;
}

struct Character {
  UChar32 code = -1;  // -1: no UTF-8 begins here
  std::size_t size = 1;
};

// REQUIRES: !bytes.empty()
Character first_character(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (size > bytes.size() || core::invalid_utf8(bytes.substr(0, size))) return {};
  if (size == 1) return {lead, 1};
  auto code = static_cast<UChar32>(lead & (0x7FU >> size));
  for (std::size_t i = 1; i < size; ++i) {
    code = code * 64 + static_cast<UChar32>(static_cast<unsigned char>(bytes[i]) & 0x3FU);
  }
  return {code, size};
}

std::string escaped(UChar32 code, unsigned char byte) {
  if (code < 0) return formatted("\\x%02X", static_cast<unsigned>(byte));
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  if (code < 0x80) return formatted("\\x%02X", static_cast<unsigned>(code));
  return formatted("\\u{%04X}", static_cast<unsigned>(code));
}

std::int64_t columns_of(UChar32 code) {
  const auto type = u_charType(code);
  if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK) return 0;
  const int width = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Lines of a width, in colours that go on in the next line.
class Lines {
 public:
  explicit Lines(const PreviewStyle& style) : style_(style) {}

  void colour(const char* code) {
    if (!style_.colour || colour_ == code) return;
    colour_ = code;
    text_ += code;
  }

  void put(const std::string& piece, std::int64_t columns) {
    if (used_ > 0 && used_ + columns > style_.width) {
      text_ += '\n';
      used_ = 0;
    }
    text_ += piece;
    used_ += columns;
  }

  // The bytes of a token; in valid UTF-8 or not.
  void put_token(std::string_view bytes) {
    while (!bytes.empty()) {
      const Character next = first_character(bytes);
      if (next.code >= 0 && !is_hidden(next.code)) {
        put(std::string(bytes.substr(0, next.size)), columns_of(next.code));
      } else {
        const std::string shown = escaped(next.code, static_cast<unsigned char>(bytes[0]));
        put(shown, static_cast<std::int64_t>(shown.size()));
      }
      bytes.remove_prefix(next.size);
    }
  }

  std::string finish() {
    colour(kPlainColour);
    return std::move(text_) + "\n";
  }

 private:
  const PreviewStyle& style_;
  std::string text_;
  const char* colour_ = nullptr;
  std::int64_t used_ = 0;
};

bool carries_loss(const data::Document& document, std::size_t t) {
  return t > 0 && document.labels[t - 1] != tensor::kNoLabel;
}

std::int64_t supervised(const data::Document& document) {
  return std::count_if(document.labels.begin(), document.labels.end(),
      [](std::int64_t label) { return label != tensor::kNoLabel; });
}

// The figures of the whole file.
struct Counts {
  std::int64_t documents = 0, tokens = 0, supervised_tokens = 0, longest = 0, train = 0, dev = 0,
               test = 0;
};

Counts count(const data::Dataset& dataset) {
  Counts counts;
  counts.documents = static_cast<std::int64_t>(dataset.documents.size());
  for (const data::Document& document : dataset.documents) {
    const auto tokens = static_cast<std::int64_t>(document.ids.size());
    counts.tokens += tokens;
    counts.longest = std::max(counts.longest, tokens);
  }
  counts.supervised_tokens = dataset.supervised_tokens();
  const auto in = [&](data::Split split) {
    return static_cast<std::int64_t>(dataset.indices(split).size());
  };
  counts.train = in(data::Split::kTrain);
  counts.dev = in(data::Split::kDev);
  counts.test = in(data::Split::kTest);
  return counts;
}

core::Json row_json(
    const data::Dataset& dataset, std::size_t index, const data::Tokenizer& tokenizer) {
  const data::Document& document = dataset.documents[index];
  core::Json row = core::Json::object();
  row["line"] = document.line;
  row["split"] = core::enum_to_string(dataset.splits[index]);
  row["ids"] = document.ids;
  core::Json tokens = core::Json::array();
  core::Json loss = core::Json::array();
  for (std::size_t t = 0; t < document.ids.size(); ++t) {
    tokens.push_back(tokenizer.decode({document.ids[t]}));
    loss.push_back(carries_loss(document, t) ? 1 : 0);
  }
  row["tokens"] = std::move(tokens);
  row["loss"] = std::move(loss);
  return row;
}

core::Json result_json(
    const data::Dataset& dataset, std::size_t rows, const data::Tokenizer& tokenizer) {
  core::Json json = core::Json::object();
  json["schema"] = "salf.preview/1";
  json["data_hash"] = dataset.hash;
  json["tokenizer_hash"] = tokenizer.hash();
  json["chat_template"] = dataset.chat_template;
  json["rows"] = core::Json::array();
  for (std::size_t i = 0; i < rows; ++i) json["rows"].push_back(row_json(dataset, i, tokenizer));
  const Counts counts = count(dataset);
  const data::DataReport& report = dataset.report;
  core::Json& all = json["counts"];
  all["rows_read"] = report.rows;
  all["documents"] = counts.documents;
  all["tokens"] = counts.tokens;
  all["supervised_tokens"] = counts.supervised_tokens;
  all["longest"] = counts.longest;
  all["train"] = counts.train;
  all["dev"] = counts.dev;
  all["test"] = counts.test;
  all["conversations"] = report.chats;
  all["cut"] = report.cut_documents;
  all["duplicates"] = report.duplicates;
  all["bad_rows"] = report.bad_rows;
  all["without_supervision"] = report.without_supervision;
  all["dev_overlap"] = report.dev_overlap;
  all["test_overlap"] = report.test_overlap;
  return json;
}

void print(const data::Dataset& dataset, std::size_t rows, const data::Tokenizer& tokenizer) {
  const PreviewStyle style = terminal_style();
  for (std::size_t i = 0; i < rows; ++i) {
    const data::Document& document = dataset.documents[i];
    const auto tokens = static_cast<std::int64_t>(document.ids.size());
    std::printf("line %s, %s: %s tokens, %s with loss\n%s\n",
        core::format_count(document.line).c_str(), core::enum_to_string(dataset.splits[i]).c_str(),
        core::format_count(tokens).c_str(), core::format_count(supervised(document)).c_str(),
        preview_text(document, tokenizer, style).c_str());
  }
  const auto row = [](const char* name, const std::string& value) {
    std::printf("%-20s%s\n", name, value.c_str());
  };
  const Counts counts = count(dataset);
  if (!dataset.chat_template.empty()) row("chat template", core::printable(dataset.chat_template));
  row("documents", core::format_count(counts.documents) + ": " + core::format_count(counts.train) +
                       " train, " + core::format_count(counts.dev) + " dev, " +
                       core::format_count(counts.test) + " test");
  row("tokens", core::format_count(counts.tokens) + ", of these " +
                    core::format_count(counts.supervised_tokens) + " with loss");
  row("longest document", core::format_count(counts.longest) + " tokens");
  row("cut", core::format_count(dataset.report.cut_documents));
  row("duplicates", core::format_count(dataset.report.duplicates) + " left out");
  row("shared prompts", core::format_count(dataset.report.dev_overlap) + " of dev in train, " +
                            core::format_count(dataset.report.test_overlap) +
                            " of test in train or dev");
}

}  // namespace

std::vector<std::string> PreviewOptions::problems() const {
  std::vector<std::string> problems;
  if (model.empty() && tokenizer.empty()) {
    problems.emplace_back("a model or --tokenizer FILE is needed: rows are shown as its tokens");
  }
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the rows to show");
  return problems;
}

std::string preview_text(
    const data::Document& document, const data::Tokenizer& tokenizer, const PreviewStyle& style) {
  Lines lines(style);
  bool open = false;
  for (std::size_t t = 0; t <= document.ids.size(); ++t) {
    const bool loss = t < document.ids.size() && carries_loss(document, t);
    if (!style.colour && open && !loss) lines.put("»", 1);
    if (t == document.ids.size()) break;
    lines.colour(kOtherColour);
    if (t > 0) lines.put("|", 1);
    if (!style.colour && loss && !open) lines.put("«", 1);
    if (loss) lines.colour(kLossColour);
    lines.put_token(tokenizer.decode({document.ids[t]}));
    open = loss;
  }
  return lines.finish();
}

int preview_command(const PreviewOptions& options, core::Progress& progress) {
  const TokenizerFile file = find_tokenizer(options);
  const auto tokenizer = data::load_tokenizer(file.path);
  const data::Dataset dataset = data::load_dataset(
      options.data, *tokenizer, file.context, progress, data::read_model_template(file.path));
  for (const auto& line : data::describe(dataset.report)) core::log_info(line);
  const std::size_t rows =
      std::min(static_cast<std::size_t>(options.rows), dataset.documents.size());
  if (options.common.json) {
    std::fputs(core::format_json(result_json(dataset, rows, *tokenizer)).c_str(), stdout);
  } else {
    print(dataset, rows, *tokenizer);
  }
  return 0;
}

}  // namespace salf::tools
