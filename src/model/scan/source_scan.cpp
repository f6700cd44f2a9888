#include "model/scan/source_scan.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace salf::model {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
      [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

namespace {

constexpr std::size_t kMostTokens = 500;
constexpr std::size_t kDeepestIndent = 1000;
constexpr std::size_t kMostElifs = 500;
constexpr std::size_t kLongestChain = 500;
const char* const kTrust =
    "; --trust-model loads it without this check, if you trust where it comes from";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// "code/__torch__/a/b.py" -> "__torch__.a.b", whatever its case: so records are found.
std::string module_of(const std::string& record) {
  constexpr std::size_t kCode = 5, kPy = 3;  // "code/", ".py"
  std::string path = lower(record.substr(kCode, record.size() - kCode - kPy));
  std::replace(path.begin(), path.end(), '/', '.');
  return path;
}

}  // namespace

// Reads one record as TorchScript's lexer does (torch/csrc/jit/frontend/lexer.h).
class SourceReader {
 public:
  SourceReader(SourceScan& scan, const std::string& record, std::string_view source)
      : scan_(scan), record_(record), module_(module_of(record)), source_(source) {}

  void read() {
    while (place_ < source_.size()) step();
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorKind::kBadModel, scan_.name_ + ", " + core::printable(record_) + ":" +
                                          std::to_string(line_) + ": " + problem);
  }

  void step() {
    const char c = source_[place_];
    if (c == '\n') return end_line();
    if (c == '\\' && place_ + 1 < source_.size() && source_[place_ + 1] == '\n') {
      ++line_;
      place_ += 2;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++place_;
    } else if (c == '#' && source_.substr(place_, kTypeComment.size()) != kTypeComment) {
      place_ = std::min(source_.find('\n', place_), source_.size());
    } else if (c == '"' || c == '\'') {
      read_string();
    } else if (is_word(c)) {
      read_word();
    } else {
      read_sign(c);
    }
  }

  void end_line() {
    ++line_;
    ++place_;
    if (open_.size() > 1) return;
    open_ = {0};
    path_.clear();
    const std::size_t begin = place_;
    place_ = std::min(source_.find_first_not_of(" \t\r\f\v", place_), source_.size());
    if (place_ - begin > kDeepestIndent) {
      fail("a line is indented by " + std::to_string(place_ - begin) +
           " characters, expected at most " + std::to_string(kDeepestIndent));
    }
    at_margin_ = place_ == begin;
  }

  void read_string() {
    const char quote = source_[place_];
    const std::string end(source_.substr(place_, 3) == std::string(3, quote) ? 3 : 1, quote);
    place_ += end.size();
    while (place_ < source_.size() && source_.compare(place_, end.size(), end) != 0) {
      if (source_[place_] == '\\') ++place_;
      ++place_;
    }
    place_ = std::min(place_ + end.size(), source_.size());
    count_token();
    path_.clear();
  }

  void read_word() {
    const std::size_t begin = place_;
    while (place_ < source_.size() && is_word(source_[place_])) ++place_;
    const std::string word(source_.substr(begin, place_ - begin));
    count_token();
    if (word == "elif" && ++elifs_ > kMostElifs) {
      fail("expected at most " + std::to_string(kMostElifs) + " elifs");
    }
    path_ = !path_.empty() && path_.back() == '.' ? path_ + word : word;
    if (path_.compare(0, kTorch.size(), kTorch) == 0 && definition_ != nullptr)
      definition_->insert(path_);
    if (defines_) definition_ = &scan_.needs_[module_ + "." + word];
    defines_ = at_margin_ && (word == "class" || word == "def");
    at_margin_ = false;
  }

  void read_sign(char c) {
    ++place_;
    defines_ = at_margin_ = false;
    if (c == '.' && !path_.empty()) {
      path_ += c;
    } else {
      path_.clear();
    }
    if (c == ',') {
      open_.back() = 0;
    } else {
      count_token();
    }
    if (c == '(' || c == '[' || c == '{') open_.push_back(0);
    if ((c == ')' || c == ']' || c == '}') && open_.size() > 1) open_.pop_back();
    closed_ = std::accumulate(open_.begin(), open_.end() - 1, std::size_t{0});
  }

  void count_token() {
    if (++open_.back() + closed_ <= kMostTokens) return;
    fail("an expression of more than " + std::to_string(kMostTokens) +
         " tokens, which TorchScript's parser may not survive" + kTrust);
  }

  static constexpr std::string_view kTypeComment = "# type:";
  static constexpr std::string_view kTorch = "__torch__.";

  SourceScan& scan_;
  const std::string& record_;
  std::string module_;
  std::string_view source_;
  std::size_t place_ = 0;
  std::size_t line_ = 1;
  // Tokens since the last comma: of the statement, then of each open bracket.
  std::vector<std::size_t> open_{0};
  std::size_t closed_ = 0;  // sum of all but the innermost
  std::size_t elifs_ = 0;
  bool at_margin_ = true;  // nothing of this line was read, and it is not indented
  bool defines_ = false;   // the next word is the name of a definition
  std::string path_;       // the dotted name that ends here
  std::set<std::string>* definition_ = nullptr;  // what it needs: that which is being read
};

void SourceScan::add(const std::string& record, std::string_view source) {
  SourceReader(*this, record, source).read();
}

namespace {

// Heights of the definitions above those that need none, found from the bottom up without
// recursion.
class Chains {
 public:
  using Needs = std::map<std::string, std::set<std::string>>;

  explicit Chains(const Needs& needs) : needs_(needs) {}

  static constexpr std::size_t kBegun = 0;

  // kBegun: `name`, or one that it needs, needs itself by way of others.
  std::size_t height(const std::string& name) {
    if (const auto known = heights_.find(name); known != heights_.end()) return known->second;
    std::vector<std::string> path{name};
    heights_[name] = kBegun;
    while (!path.empty()) {
      const std::string current = path.back();
      std::size_t most = 0;
      const std::string* next = nullptr;
      for (const std::string& below : definitions_below(current)) {
        const auto known = heights_.find(below);
        if (known == heights_.end()) {
          next = &needs_.find(below)->first;
          break;
        }
        if (known->second == kBegun) return kBegun;
        most = std::max(most, known->second);
      }
      if (next == nullptr) {
        heights_[current] = most + 1;
        path.pop_back();
      } else {
        heights_[*next] = kBegun;
        path.push_back(*next);
      }
    }
    return heights_[name];
  }

 private:
  std::set<std::string> definitions_below(const std::string& name) const {
    std::set<std::string> found;
    for (const std::string& path : needs_.at(name)) {
      // "__torch__.a.B.method": the definition is the longest part that is one.
      for (std::size_t end = path.size(); end != std::string::npos;
           end = path.rfind('.', end - 1)) {
        const std::size_t dot = path.rfind('.', end - 1);
        if (dot == std::string::npos) break;
        const std::string definition = lower(path.substr(0, dot)) + path.substr(dot, end - dot);
        if (needs_.count(definition) == 0) continue;
        if (definition != name) found.insert(definition);
        break;
      }
    }
    return found;
  }

  const Needs& needs_;
  std::map<std::string, std::size_t> heights_;
};

}  // namespace

void SourceScan::check_definitions() const {
  Chains chains(needs_);
  for (const auto& [definition, needs] : needs_) {
    const std::size_t height = chains.height(definition);
    if (height == Chains::kBegun) {
      throw Error(ErrorKind::kBadModel,
          name_ + ": its code has definitions that need each other in a circle, such as " +
              core::printable(definition) + kTrust);
    }
    if (height > kLongestChain) {
      throw Error(ErrorKind::kBadModel,
          name_ + ": its code has more than " + std::to_string(kLongestChain) +
              " definitions that need one another in a row, which TorchScript's loader may "
              "not survive; the first is " +
              core::printable(definition) + kTrust);
    }
  }
}

}  // namespace salf::model
