#include "data/tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/log.h"
#include "data/bad_input.h"
#include "data/text/utf8.h"

namespace salf::data {
namespace {

template <auto Free> struct Freer {
  template <class T> void operator()(T* object) const { Free(object); }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Freer<pcre2_compile_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack_free>>;

constexpr std::size_t kLongestPattern = 1 << 16;
constexpr std::size_t kSmallestStack = 1 << 15;
constexpr std::size_t kLargestStack = 1 << 23;

// The storage that one thread needs to match any pattern.
struct MatchScratch {
  MatchScratch()
      : data(pcre2_match_data_create(1, nullptr)), context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(kSmallestStack, kLargestStack, nullptr)) {
    if (!data || !context || !stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
  MatchData data;
  MatchContext context;
  JitStack stack;
};

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return std::string(buffer.begin(), std::find(buffer.begin(), buffer.end(), PCRE2_UCHAR{0}));
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Pattern::Pattern(const std::string& regex, const std::string& where) : where_(where) {
  if (regex.size() > kLongestPattern) {
    refuse(where, "the pattern has " + std::to_string(regex.size()) + " bytes, expected at most " +
                      std::to_string(kLongestPattern));
  }
  const std::string translated = translate_pattern(regex, where);
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  std::size_t offset = 0;
  code_.reset(pcre2_compile(bytes_of(translated), translated.size(),
                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context.get()),
      pcre2_code_free);
  if (!code_) {
    refuse(where,
        "the pattern " + core::printable(regex) + " does not compile: " + pcre2_message(error));
  }
  // Without the JIT, PCRE2 interprets: slower, with the same results.
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
}

void Pattern::find(std::string_view text, std::vector<Span>& spans) const {
  thread_local MatchScratch scratch;
  // A usual pattern needs a number of steps that is linear in the text. One that needs far more is
  // refused.
  constexpr std::size_t kSteps = 10'000'000;
  const std::size_t steps =
      std::min<std::size_t>(kSteps + 8 * text.size(), std::numeric_limits<std::uint32_t>::max());
  pcre2_set_match_limit(scratch.context.get(), static_cast<std::uint32_t>(steps));
  const PCRE2_SIZE* ovector = pcre2_get_ovector_pointer(scratch.data.get());
  std::size_t covered = 0;
  std::size_t start = 0;
  bool matched_before = false;
  while (start <= text.size() && !text.empty()) {
    const int result = pcre2_match(code_.get(), bytes_of(text), text.size(), start,
        PCRE2_NO_UTF_CHECK, scratch.data.get(), scratch.context.get());
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      refuse(where_, "the pattern cannot be matched against a text of " +
                         std::to_string(text.size()) + " bytes: " + pcre2_message(result));
    }
    const Span match{ovector[0], ovector[1], true};
    if (match.begin > match.end) {  // \K in a lookaround; the translation refuses \K
      throw Error(ErrorKind::kInternal, where_ + ": a match ends before it begins");
    }
    // An empty match right after the last one does not count, as in Oniguruma's iterator.
    if (match.begin == match.end && matched_before && match.end == covered) {
      start += start < text.size() ? first_character(text.substr(start)).bytes : 1;
      continue;
    }
    if (covered != match.begin) spans.push_back({covered, match.begin, false});
    spans.push_back(match);
    covered = start = match.end;
    matched_before = true;
  }
  if (covered != text.size()) spans.push_back({covered, text.size(), false});
}

std::optional<Pattern> read_regex(const JsonView& pattern) {
  pattern.only_keys({"String", "Regex"});
  if (pattern.size() != 1) pattern.fail("expected either \"String\" or \"Regex\"");
  if (pattern.find("String")) return std::nullopt;
  const JsonView regex = pattern.at("Regex");
  return Pattern(regex.text(), regex.where());
}

std::string escape_pattern(std::string_view text) {
  static constexpr std::string_view kSpecial = R"(\.+*?()|[]{}^$#&-~)";
  std::string escaped;
  for (const char letter : text) {
    if (kSpecial.find(letter) != std::string_view::npos) escaped += '\\';
    escaped += letter;
  }
  return escaped;
}

}  // namespace salf::data
