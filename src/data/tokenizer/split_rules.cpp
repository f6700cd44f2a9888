#include "data/tokenizer/split_rules.h"

#include <utility>

#include "core/fields.h"
#include "core/log.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"

namespace salf::data {
namespace {

constexpr const char* kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::vector<core::EnumName<SplitBehavior>> enum_names(SplitBehavior) {
  return {{SplitBehavior::kRemoved, "Removed"}, {SplitBehavior::kIsolated, "Isolated"},
      {SplitBehavior::kMergedWithPrevious, "MergedWithPrevious"},
      {SplitBehavior::kMergedWithNext, "MergedWithNext"},
      {SplitBehavior::kContiguous, "Contiguous"}};
}

SplitBehavior read_behavior(const JsonView& name) {
  for (const auto& entry : enum_names(SplitBehavior{})) {
    if (name.text() == entry.name) return entry.value;
  }
  name.fail("expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, found " +
            core::printable(name.text()));
}

PrependScheme read_prepend_scheme(const JsonView& metaspace) {
  const bool prefix = metaspace.flag("add_prefix_space", true);
  const auto scheme = metaspace.find("prepend_scheme");
  if (scheme && !prefix && scheme->text() != "never") {
    scheme->fail("add_prefix_space is false, expected never");
  }
  if (!prefix || (scheme && scheme->text() == "never")) return PrependScheme::kNever;
  if (!scheme || scheme->text() == "always") return PrependScheme::kAlways;
  if (scheme->text() == "first") return PrependScheme::kFirst;
  scheme->fail("expected always, first or never, found " + core::printable(scheme->text()));
}

// Joins each match with the span before it, unless that was a match too.
void merge_with_previous(std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool previous = false;
  for (const Span& span : spans) {
    if (span.is_match && !previous && !merged.empty()) {
      merged.back().end = span.end;
    } else {
      merged.push_back(span);
    }
    previous = span.is_match;
  }
  spans = std::move(merged);
}

void merge_with_next(std::vector<Span>& spans) {
  std::vector<Span> merged;  // from the last to the first
  bool previous = false;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->is_match && !previous && !merged.empty()) {
      merged.back().begin = span->begin;
    } else {
      merged.push_back(*span);
    }
    previous = span->is_match;
  }
  spans.assign(merged.rbegin(), merged.rend());
}

void merge_contiguous(std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool previous = false;
  for (const Span& span : spans) {
    if (span.is_match == previous && !merged.empty()) {
      merged.back().end = span.end;
    } else {
      merged.push_back(span);
    }
    previous = span.is_match;
  }
  spans = std::move(merged);
}

// Each character of the class is a match.
void find_characters(bool (*test)(char32_t), std::string_view text, std::vector<Span>& spans) {
  std::size_t covered = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Character character = first_character(text.substr(i));
    const std::size_t end = i + character.bytes;
    if (test(character.code)) {
      if (covered < i) spans.push_back({covered, i, false});
      spans.push_back({i, end, true});
      covered = end;
    }
    i = end;
  }
  if (covered < text.size()) spans.push_back({covered, text.size(), false});
}

// Runs of word characters, and runs of what is neither those nor white space; the rest is a match.
void find_between_words(std::string_view text, std::vector<Span>& spans) {
  enum class Class { kSpace, kWord, kOther };
  std::optional<Class> previous;
  for (std::size_t i = 0; i < text.size();) {
    const Character character = first_character(text.substr(i));
    const Class now = is_word_character(character.code) ? Class::kWord
                      : is_space(character.code)        ? Class::kSpace
                                                        : Class::kOther;
    const std::size_t end = i + character.bytes;
    if (now == previous) {
      spans.back().end = end;
    } else {
      spans.push_back({i, end, now == Class::kSpace});
    }
    previous = now;
    i = end;
  }
}

void find_text(const std::string& wanted, std::string_view text, std::vector<Span>& spans) {
  std::size_t covered = 0;
  for (std::size_t found = text.find(wanted); found != std::string_view::npos;
       found = text.find(wanted, covered)) {
    if (covered < found) spans.push_back({covered, found, false});
    spans.push_back({found, found + wanted.size(), true});
    covered = found + wanted.size();
  }
  if (covered < text.size()) spans.push_back({covered, text.size(), false});
}

}  // namespace

SplitRules::SplitRules(const std::optional<JsonView>& pre_tokenizer) {
  if (pre_tokenizer) add(*pre_tokenizer);
}

void SplitRules::add(const JsonView& pre_tokenizer) {
  const JsonView type = pre_tokenizer.at("type");
  const std::string& name = type.text();
  if (name == "Sequence") {
    pre_tokenizer.only_keys({"type", "pretokenizers"});
    const JsonView list = pre_tokenizer.at("pretokenizers");
    for (std::size_t i = 0; i < list.array().size(); ++i) add(list.item(i));
    return;
  }
  if (byte_level_) pre_tokenizer.fail("a pre_tokenizer after ByteLevel is not supported");
  if (name == "ByteLevel") return add_byte_level(pre_tokenizer);
  if (name == "Split") return add_split(pre_tokenizer);
  if (name == "Digits") return add_digits(pre_tokenizer);
  if (name == "Metaspace") return add_metaspace(pre_tokenizer);
  if (name == "Punctuation") return add_punctuation(pre_tokenizer);
  if (name == "Whitespace" || name == "WhitespaceSplit" || name == "CharDelimiterSplit") {
    return add_white_space(pre_tokenizer, name);
  }
  type.fail(
      core::printable(name) +
      " is not supported; known: ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, "
      "Split, Whitespace, WhitespaceSplit, Sequence");
}

void SplitRules::add_byte_level(const JsonView& byte_level) {
  byte_level.only_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  Step step;
  if (byte_level.flag("add_prefix_space", true)) step.prefix = " ";
  if (byte_level.flag("use_regex", true)) step.pattern.emplace(kGpt2Words, byte_level.where());
  if (!step.prefix.empty() || step.pattern) steps_.push_back(std::move(step));
  byte_level_ = true;
}

void SplitRules::add_split(const JsonView& split) {
  split.only_keys({"type", "pattern", "behavior", "invert"});
  Step step;
  step.behavior = read_behavior(split.at("behavior"));
  step.invert = split.flag("invert", false);
  const JsonView pattern = split.at("pattern");
  pattern.only_keys({"String", "Regex"});
  if (pattern.size() != 1) pattern.fail("expected either \"String\" or \"Regex\"");
  if (const auto text = pattern.find("String")) {
    step.pattern.emplace(escape_pattern(text->text()), text->where());
  } else {
    const JsonView regex = pattern.at("Regex");
    step.pattern.emplace(regex.text(), regex.where());
  }
  steps_.push_back(std::move(step));
}

void SplitRules::add_digits(const JsonView& digits) {
  digits.only_keys({"type", "individual_digits"});
  Step step;
  step.behavior = digits.flag("individual_digits", false) ? SplitBehavior::kIsolated
                                                          : SplitBehavior::kContiguous;
  step.test = is_numeric;
  steps_.push_back(std::move(step));
}

void SplitRules::add_metaspace(const JsonView& metaspace) {
  metaspace.only_keys(
      {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  Step step;
  step.space = metaspace.at("replacement").character();
  step.scheme = read_prepend_scheme(metaspace);
  if (step.scheme != PrependScheme::kNever) step.prefix = step.space;
  if (metaspace.flag("split", true)) step.delimiter = step.space;
  step.behavior = SplitBehavior::kMergedWithNext;
  steps_.push_back(std::move(step));
}

void SplitRules::add_punctuation(const JsonView& punctuation) {
  punctuation.only_keys({"type", "behavior"});
  Step step;
  if (const auto behavior = punctuation.find("behavior")) step.behavior = read_behavior(*behavior);
  step.test = is_punctuation;
  steps_.push_back(std::move(step));
}

void SplitRules::add_white_space(const JsonView& pre_tokenizer, const std::string& type) {
  Step step;
  step.behavior = SplitBehavior::kRemoved;
  if (type == "CharDelimiterSplit") {
    pre_tokenizer.only_keys({"type", "delimiter"});
    step.delimiter = pre_tokenizer.at("delimiter").character();
  } else {
    pre_tokenizer.only_keys({"type"});
    step.words = type == "Whitespace";
    if (!step.words) step.test = is_space;
  }
  steps_.push_back(std::move(step));
}

void SplitRules::split(const Word& text, Words& words) const {
  words.pieces.assign(1, text);
  words.owned.clear();
  std::vector<Word> pieces;
  std::vector<Span> spans;
  for (const Step& step : steps_) {
    pieces.clear();
    for (const Word& piece : words.pieces)
      apply(step, rewritten(step, piece, words), spans, pieces);
    words.pieces.swap(pieces);
  }
}

Word SplitRules::rewritten(const Step& step, const Word& word, Words& words) {
  Word result = word;
  if (!step.space.empty() && word.text.find(' ') != std::string_view::npos) {
    std::string& text = words.owned.emplace_back();
    for (std::size_t i = 0; i < word.text.size(); ++i) {
      word.text[i] == ' ' ? text += step.space : text += word.text[i];
      if (i + 1 == word.from_first) result.from_first = text.size();
    }
    result.text = text;
  }
  const bool wanted = step.scheme == PrependScheme::kAlways || word.from_first > 0;
  const bool has = result.text.substr(0, step.prefix.size()) == step.prefix;
  if (!step.prefix.empty() && wanted && !has) {
    result.text = words.owned.emplace_back(step.prefix + std::string(result.text));
    if (result.from_first > 0) result.from_first += step.prefix.size();
  }
  return result;
}

void SplitRules::find(const Step& step, std::string_view text, std::vector<Span>& spans) {
  if (step.pattern) {
    step.pattern->find(text, spans);
  } else if (step.test != nullptr) {
    find_characters(step.test, text, spans);
  } else if (step.words) {
    find_between_words(text, spans);
  } else if (!step.delimiter.empty()) {
    find_text(step.delimiter, text, spans);
  } else {
    spans.push_back({0, text.size(), false});
  }
}

void SplitRules::apply(
    const Step& step, const Word& piece, std::vector<Span>& spans, std::vector<Word>& pieces) {
  spans.clear();
  find(step, piece.text, spans);
  if (step.invert) {
    for (Span& span : spans) span.is_match = !span.is_match;
  }
  switch (step.behavior) {
    case SplitBehavior::kMergedWithPrevious: merge_with_previous(spans); break;
    case SplitBehavior::kMergedWithNext: merge_with_next(spans); break;
    case SplitBehavior::kContiguous: merge_contiguous(spans); break;
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated: break;
  }
  for (const Span& span : spans) {
    const bool removed = span.is_match && step.behavior == SplitBehavior::kRemoved;
    if (!removed && span.end > span.begin) {
      pieces.push_back({piece.text.substr(span.begin, span.end - span.begin),
          piece.from_first > span.begin ? piece.from_first - span.begin : 0});
    }
  }
}

}  // namespace salf::data
