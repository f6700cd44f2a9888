#include "data/tokenizer/token_decoder.h"

#include <utility>

#include "core/log.h"
#include "core/text.h"
#include "data/text/utf8.h"
#include "data/tokenizer/byte_alphabet.h"

namespace salf::data {
namespace {

std::string replaced(std::string_view text, const std::string& from, const std::string& to) {
  std::string result;
  std::size_t covered = 0;
  for (std::size_t found = text.find(from); found != std::string_view::npos;
       found = text.find(from, covered)) {
    result += text.substr(covered, found - covered);
    result += to;
    covered = found + from.size();
  }
  return result.append(text.substr(covered));
}

std::string replaced(std::string_view text, const Pattern& from, const std::string& to) {
  std::vector<Span> spans;
  from.find(text, spans);
  std::string result;
  for (const Span& span : spans) {
    result += span.is_match ? to : std::string(text.substr(span.begin, span.end - span.begin));
  }
  return result;
}

// ByteLevel: the bytes of all tokens together.
void join_bytes(std::vector<std::string>& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += bytes_of_token(token).value_or(token);
  tokens.assign(1, utf8_or_replacement(bytes));
}

// The byte of "<0x0A>".
std::optional<char> fallback_byte(const std::string& token) {
  if (token.size() != 6 || token.compare(0, 3, "<0x") != 0 || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (std::size_t i = 3; i < 5; ++i) {
    const char digit = token[i];
    value *= 16;
    if (digit >= '0' && digit <= '9') {
      value += static_cast<unsigned>(digit - '0');
    } else if (digit >= 'A' && digit <= 'F') {
      value += static_cast<unsigned>(digit - 'A') + 10;
    } else if (digit >= 'a' && digit <= 'f') {
      value += static_cast<unsigned>(digit - 'a') + 10;
    } else if (!(i == 3 && digit == '+')) {  // Rust reads "+F" as a number
      return std::nullopt;
    }
  }
  return static_cast<char>(value);
}

// A run of byte tokens that is not UTF-8 as a whole is one U+FFFD for each byte.
void join_fallback_bytes(std::vector<std::string>& tokens) {
  std::vector<std::string> joined;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (core::invalid_utf8(bytes)) {
      for (std::size_t i = 0; i < bytes.size(); ++i) joined.emplace_back("\xEF\xBF\xBD");
    } else {
      joined.push_back(bytes);
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes += *byte;
      continue;
    }
    flush();
    joined.push_back(std::move(token));
  }
  flush();
  tokens = std::move(joined);
}

std::string stripped(
    std::string_view token, const std::string& wanted, std::size_t begin, std::size_t end) {
  for (; begin > 0 && token.substr(0, wanted.size()) == wanted; --begin) {
    token.remove_prefix(wanted.size());
  }
  for (; end > 0 && token.size() >= wanted.size() &&
         token.substr(token.size() - wanted.size()) == wanted;
       --end) {
    token.remove_suffix(wanted.size());
  }
  return std::string(token);
}

std::string joined(const std::vector<std::string>& tokens, const char* between) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += between;
    text += tokens[i];
  }
  return text;
}

std::size_t read_count(const JsonView& count) { return static_cast<std::size_t>(count.id()); }

}  // namespace

TokenDecoder::TokenDecoder(const std::optional<JsonView>& decoder) : joined_with_spaces_(!decoder) {
  if (decoder) add(*decoder);
}

void TokenDecoder::add(const JsonView& decoder) {
  const JsonView type = decoder.at("type");
  const std::string& name = type.text();
  if (name == "Sequence") {
    decoder.only_keys({"type", "decoders"});
    const JsonView list = decoder.at("decoders");
    for (std::size_t i = 0; i < list.array().size(); ++i) add(list.item(i));
    return;
  }
  if (name == "Replace") return add_replace(decoder);
  if (name == "Strip") return add_strip(decoder);
  if (name == "Metaspace") return add_metaspace(decoder);
  if (name == "ByteLevel") {  // its options are those of the pre_tokenizer
    steps_.push_back({Kind::kByteLevel, {}, "", ""});
  } else if (name == "ByteFallback" || name == "Fuse") {
    decoder.only_keys({"type"});
    steps_.push_back({name == "Fuse" ? Kind::kFuse : Kind::kByteFallback, {}, "", ""});
  } else {
    type.fail(core::printable(name) +
              " is not supported; known: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, "
              "Sequence");
  }
}

void TokenDecoder::add_replace(const JsonView& replace) {
  replace.only_keys({"type", "pattern", "content"});
  Step step{Kind::kReplace, {}, "", replace.at("content").text()};
  const JsonView pattern = replace.at("pattern");
  pattern.only_keys({"String", "Regex"});
  if (pattern.size() != 1) pattern.fail("expected either \"String\" or \"Regex\"");
  if (const auto text = pattern.find("String")) {
    if (text->text().empty()) text->fail("expected at least one character");
    step.wanted = text->text();
  } else {
    const JsonView regex = pattern.at("Regex");
    step.pattern.emplace(regex.text(), regex.where());
  }
  steps_.push_back(std::move(step));
}

void TokenDecoder::add_strip(const JsonView& strip) {
  strip.only_keys({"type", "content", "start", "stop"});
  Step step{Kind::kStrip, {}, strip.at("content").character(), ""};
  step.begin = read_count(strip.at("start"));
  step.end = read_count(strip.at("stop"));
  steps_.push_back(std::move(step));
}

void TokenDecoder::add_metaspace(const JsonView& metaspace) {
  metaspace.only_keys(
      {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  Step step{Kind::kMetaspace, {}, metaspace.at("replacement").character(), ""};
  const auto scheme = metaspace.find("prepend_scheme");
  step.prefix = metaspace.flag("add_prefix_space", true) && !(scheme && scheme->text() == "never");
  steps_.push_back(std::move(step));
}

std::string TokenDecoder::decode(std::vector<std::string> tokens) const {
  if (joined_with_spaces_) return joined(tokens, " ");
  for (const Step& step : steps_) apply(step, tokens);
  return joined(tokens, "");
}

void TokenDecoder::apply(const Step& step, std::vector<std::string>& tokens) {
  switch (step.kind) {
    case Kind::kByteLevel: return join_bytes(tokens);
    case Kind::kByteFallback: return join_fallback_bytes(tokens);
    case Kind::kFuse: tokens.assign(1, joined(tokens, "")); return;
    case Kind::kReplace:
      for (std::string& token : tokens) {
        token = step.pattern ? replaced(token, *step.pattern, step.content)
                             : replaced(token, step.wanted, step.content);
      }
      return;
    case Kind::kStrip:
      for (std::string& token : tokens) token = stripped(token, step.wanted, step.begin, step.end);
      return;
    case Kind::kMetaspace:
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = replaced(tokens[i], step.wanted, i == 0 && step.prefix ? "" : " ");
      }
      return;
  }
}

}  // namespace salf::data
