#include <algorithm>
#include <iterator>

#include "core/log.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"
#include "data/tokenizer/pipeline.h"

namespace salf::data {
namespace {

constexpr const char* kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

SplitBehavior read_behavior(const JsonView& name) {
  if (const auto behavior = core::enum_from_string<SplitBehavior>(name.text())) return *behavior;
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

// Joins each span with the one before it where `joins` says so of the two. `joins` sees whether the
// earlier span is a match before any joining.
template <class Iterator, class Joins>
std::vector<Span> joined(Iterator begin, Iterator end, Joins joins) {
  std::vector<Span> result;
  for (Iterator span = begin; span != end; ++span) {
    if (span != begin && joins(std::prev(span)->is_match, span->is_match)) {
      result.back().begin = std::min(result.back().begin, span->begin);
      result.back().end = std::max(result.back().end, span->end);
    } else {
      result.push_back(*span);
    }
  }
  return result;
}

void merge(SplitBehavior behavior, std::vector<Span>& spans) {
  const auto is_lone_match = [](bool previous, bool match) { return match && !previous; };
  if (behavior == SplitBehavior::kMergedWithPrevious) {
    spans = joined(spans.begin(), spans.end(), is_lone_match);
  } else if (behavior == SplitBehavior::kMergedWithNext) {
    const std::vector<Span> merged = joined(spans.rbegin(), spans.rend(), is_lone_match);
    spans.assign(merged.rbegin(), merged.rend());
  } else if (behavior == SplitBehavior::kContiguous) {
    spans = joined(spans.begin(), spans.end(), std::equal_to<>());
  }
}

// Each character of the class is a match.
void find_characters(CharacterTest test, std::string_view text, std::vector<Span>& spans) {
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

// Runs of white space are matches. Runs of word characters and runs of other characters are parts.
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

SplitStep step_of(CharacterTest test, SplitBehavior behavior) {
  SplitStep step;
  step.behavior = behavior;
  step.find = [test](auto text, auto& spans) { find_characters(test, text, spans); };
  return step;
}

SplitStep step_of(const std::string& delimiter, SplitBehavior behavior) {
  SplitStep step;
  step.behavior = behavior;
  step.find = [delimiter](auto text, auto& spans) { find_text(delimiter, text, spans); };
  return step;
}

void find_pattern(const Pattern& pattern, SplitStep& step) {
  step.find = [pattern](auto text, auto& spans) { pattern.find(text, spans); };
}

SplitStep read_byte_level(const JsonView& byte_level) {
  byte_level.only_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  SplitStep step;
  if (byte_level.flag("add_prefix_space", true)) step.prefix = " ";
  if (byte_level.flag("use_regex", true)) {
    find_pattern(Pattern(kGpt2Words, byte_level.where()), step);
  }
  return step;
}

SplitStep read_split(const JsonView& split) {
  split.only_keys({"type", "pattern", "behavior", "invert"});
  SplitStep step;
  step.behavior = read_behavior(split.at("behavior"));
  step.invert = split.flag("invert", false);
  const JsonView pattern = split.at("pattern");
  if (const auto regex = read_regex(pattern)) {
    find_pattern(*regex, step);
  } else {
    const JsonView text = pattern.at("String");
    find_pattern(Pattern(escape_pattern(text.text()), text.where()), step);
  }
  return step;
}

SplitStep read_digits(const JsonView& digits) {
  digits.only_keys({"type", "individual_digits"});
  const bool individual = digits.flag("individual_digits", false);
  return step_of(is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

SplitStep read_metaspace(const JsonView& metaspace) {
  metaspace.only_keys(
      {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const std::string& space = metaspace.at("replacement").character();
  const PrependScheme scheme = read_prepend_scheme(metaspace);
  SplitStep step;
  if (metaspace.flag("split", true)) step = step_of(space, SplitBehavior::kMergedWithNext);
  step.space = space;
  step.scheme = scheme;
  if (scheme != PrependScheme::kNever) step.prefix = space;
  return step;
}

SplitStep read_punctuation(const JsonView& punctuation) {
  punctuation.only_keys({"type", "behavior"});
  const auto behavior = punctuation.find("behavior");
  return step_of(is_punctuation, behavior ? read_behavior(*behavior) : SplitBehavior::kIsolated);
}

SplitStep read_step(const JsonView& pre_tokenizer, const JsonView& type) {
  const std::string& name = type.text();
  if (name == "ByteLevel") return read_byte_level(pre_tokenizer);
  if (name == "Split") return read_split(pre_tokenizer);
  if (name == "Digits") return read_digits(pre_tokenizer);
  if (name == "Metaspace") return read_metaspace(pre_tokenizer);
  if (name == "Punctuation") return read_punctuation(pre_tokenizer);
  if (name == "CharDelimiterSplit") {
    pre_tokenizer.only_keys({"type", "delimiter"});
    return step_of(pre_tokenizer.at("delimiter").character(), SplitBehavior::kRemoved);
  }
  if (name != "Whitespace" && name != "WhitespaceSplit") {
    type.fail(
        core::printable(name) +
        " is not supported; known: ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, "
        "Split, Whitespace, WhitespaceSplit, Sequence");
  }
  pre_tokenizer.only_keys({"type"});
  SplitStep step = step_of(is_space, SplitBehavior::kRemoved);
  if (name == "Whitespace") step.find = find_between_words;
  return step;
}

// Replaces spaces and adds the prefix.
Word rewritten(const SplitStep& step, const Word& word, Words& words) {
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

// Appends the parts of `piece`. `spans` is scratch space.
void apply(
    const SplitStep& step, const Word& piece, std::vector<Span>& spans, std::vector<Word>& pieces) {
  spans.clear();
  if (step.find) {
    step.find(piece.text, spans);
  } else {
    spans.push_back({0, piece.text.size(), false});
  }
  if (step.invert) {
    for (Span& span : spans) span.is_match = !span.is_match;
  }
  merge(step.behavior, spans);
  for (const Span& span : spans) {
    const bool removed = span.is_match && step.behavior == SplitBehavior::kRemoved;
    if (!removed && span.end > span.begin) {
      pieces.push_back({piece.text.substr(span.begin, span.end - span.begin),
          piece.from_first > span.begin ? piece.from_first - span.begin : 0});
    }
  }
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
    for (const JsonView& item : pre_tokenizer.at("pretokenizers").items()) add(item);
    return;
  }
  if (byte_level_) pre_tokenizer.fail("a pre_tokenizer after ByteLevel is not supported");
  steps_.push_back(read_step(pre_tokenizer, type));
  byte_level_ = name == "ByteLevel";
}

void SplitRules::split(const Word& text, Words& words) const {
  words.pieces.assign(1, text);
  words.owned.clear();
  std::vector<Word> pieces;
  std::vector<Span> spans;
  for (const SplitStep& step : steps_) {
    pieces.clear();
    for (const Word& piece : words.pieces)
      apply(step, rewritten(step, piece, words), spans, pieces);
    words.pieces.swap(pieces);
  }
}

}  // namespace salf::data
