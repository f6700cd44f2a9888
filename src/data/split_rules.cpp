#include "split_rules.h"

#include <utility>

#include "salf/core/fields.h"
#include "salf/core/log.h"

namespace salf::data {
namespace {

constexpr const char* kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Digits asks Rust (Unicode 17) and not Oniguruma: see Note [Unicode versions].
constexpr const char* kNumeric = R"([\p{N}\x{11de0}-\x{11de9}\x{16ff4}-\x{16ff6}])";

std::vector<core::EnumName<SplitBehavior>> enum_names(SplitBehavior) {
  return {{SplitBehavior::kRemoved, "Removed"},
          {SplitBehavior::kIsolated, "Isolated"},
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

}  // namespace

SplitRules::SplitRules(const JsonView& pre_tokenizer) {
  add(pre_tokenizer);
  if (!complete_)
    pre_tokenizer.fail("no ByteLevel found: only byte-level tokenizers are supported");
}

void SplitRules::add(const JsonView& pre_tokenizer) {
  const JsonView type = pre_tokenizer.at("type");
  if (type.text() == "Sequence") {
    pre_tokenizer.only_keys({"type", "pretokenizers"});
    const JsonView list = pre_tokenizer.at("pretokenizers");
    for (std::size_t i = 0; i < list.array().size(); ++i) add(list.item(i));
    return;
  }
  if (complete_) pre_tokenizer.fail("a pre_tokenizer after ByteLevel is not supported");
  if (type.text() == "ByteLevel") return add_byte_level(pre_tokenizer);
  if (type.text() == "Split") return add_split(pre_tokenizer);
  if (type.text() == "Digits") return add_digits(pre_tokenizer);
  type.fail(core::printable(type.text()) +
            " is not supported; known: ByteLevel, Split, Digits, Sequence");
}

void SplitRules::add_byte_level(const JsonView& byte_level) {
  byte_level.only_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  Step step;
  step.prefix_space = byte_level.flag("add_prefix_space", true);
  if (byte_level.flag("use_regex", true)) step.pattern.emplace(kGpt2Words, byte_level.where());
  if (step.prefix_space || step.pattern) steps_.push_back(std::move(step));
  complete_ = true;
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
  step.pattern.emplace(kNumeric, digits.where());
  steps_.push_back(std::move(step));
}

void SplitRules::split(std::string_view text, Words& words) const {
  words.pieces.assign(1, text);
  words.owned.clear();
  std::vector<std::string_view> pieces;
  std::vector<Span> spans;
  for (const Step& step : steps_) {
    pieces.clear();
    for (std::string_view piece : words.pieces) {
      if (step.prefix_space && (piece.empty() || piece.front() != ' ')) {
        piece = words.owned.emplace_back(" " + std::string(piece));
      }
      apply(step, piece, spans, pieces);
    }
    words.pieces.swap(pieces);
  }
}

void SplitRules::apply(const Step& step, std::string_view piece, std::vector<Span>& spans,
                       std::vector<std::string_view>& pieces) {
  spans.clear();
  if (step.pattern) {
    step.pattern->find(piece, spans);
  } else {
    spans.push_back({0, piece.size(), false});
  }
  if (step.invert) {
    for (Span& span : spans) span.is_match = !span.is_match;
  }
  switch (step.behavior) {
    case SplitBehavior::kMergedWithPrevious:
      merge_with_previous(spans);
      break;
    case SplitBehavior::kMergedWithNext:
      merge_with_next(spans);
      break;
    case SplitBehavior::kContiguous:
      merge_contiguous(spans);
      break;
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
  }
  for (const Span& span : spans) {
    const bool removed = span.is_match && step.behavior == SplitBehavior::kRemoved;
    if (!removed && span.end > span.begin) {
      pieces.push_back(piece.substr(span.begin, span.end - span.begin));
    }
  }
}

}  // namespace salf::data
