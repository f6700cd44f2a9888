#include <charconv>

#include "core/log.h"
#include "core/text.h"
#include "data/text/utf8.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/pipeline.h"

namespace salf::data {
namespace {

using Tokens = std::vector<std::string>;

void replace_in(const NormalizerStep& replacement, std::string& token) {
  std::string result;
  std::size_t unused = 0;
  if (replacement(token, result, unused)) token = std::move(result);
}

// `bytes` with U+FFFD for each part that is not UTF-8: the longest part that could have begun a
// character, as the Unicode standard recommends and Rust's from_utf8_lossy() does.
std::string utf8_or_replacement(const std::string& bytes) {
  const auto* text = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::string result;
  for (std::size_t i = 0; i < bytes.size();) {
    UChar32 code = 0;
    U8_NEXT_OR_FFFD(text, i, bytes.size(), code);
    append_utf8(static_cast<char32_t>(code), result);
  }
  return result;
}

// ByteLevel: joins the bytes of all tokens.
void join_bytes(Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += bytes_of_token(token).value_or(token);
  tokens.assign(1, utf8_or_replacement(bytes));
}

// The byte of "<0x0A>". Rust reads "+F" as a number too.
std::optional<char> fallback_byte(const std::string& token) {
  if (token.size() != 6 || !core::starts_with(token, "<0x") || token[5] != '>') return std::nullopt;
  const char* const begin = token.data() + (token[3] == '+' ? 4 : 3);
  const char* const end = token.data() + 5;
  unsigned char value = 0;
  const auto result = std::from_chars(begin, end, value, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return static_cast<char>(value);
}

// ByteFallback: joins runs of byte tokens. A run that is not UTF-8 becomes one U+FFFD a byte.
void join_fallback_bytes(Tokens& tokens) {
  Tokens joined;
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

// Removes `wanted` at most `begin` times from the begin and `end` times from the end.
std::string stripped(
    std::string_view token, const std::string& wanted, std::size_t begin, std::size_t end) {
  for (; begin > 0 && core::starts_with(token, wanted); --begin) {
    token.remove_prefix(wanted.size());
  }
  for (; end > 0 && core::ends_with(token, wanted); --end) {
    token.remove_suffix(wanted.size());
  }
  return std::string(token);
}

std::function<void(Tokens&)> read_strip(const JsonView& strip) {
  strip.only_keys({"type", "content", "start", "stop"});
  const std::string& content = strip.at("content").character();
  const auto begin = static_cast<std::size_t>(strip.at("start").id());
  const auto end = static_cast<std::size_t>(strip.at("stop").id());
  return [content, begin, end](Tokens& tokens) {
    for (std::string& token : tokens) token = stripped(token, content, begin, end);
  };
}

// Replaces the Metaspace character by a space, or by nothing in a first token with a prefix.
std::function<void(Tokens&)> decode_metaspace(const JsonView& metaspace) {
  metaspace.only_keys(
      {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const std::string& space = metaspace.at("replacement").character();
  const auto scheme = metaspace.find("prepend_scheme");
  const bool prefix =
      metaspace.flag("add_prefix_space", true) && !(scheme && scheme->text() == "never");
  const NormalizerStep first = make_replace_step(space, prefix ? "" : " ");
  const NormalizerStep others = make_replace_step(space, " ");
  return [first, others](Tokens& tokens) {
    for (std::string& token : tokens) replace_in(&token == tokens.data() ? first : others, token);
  };
}

}  // namespace

TokenDecoder::TokenDecoder(const std::optional<JsonView>& decoder) {
  if (!decoder) between_ = " ";
  if (decoder) add(*decoder);
}

void TokenDecoder::add(const JsonView& decoder) {
  const JsonView type = decoder.at("type");
  const std::string& name = type.text();
  if (name == "Sequence") {
    decoder.only_keys({"type", "decoders"});
    for (const JsonView& item : decoder.at("decoders").items()) add(item);
  } else if (name == "ByteLevel") {  // its options are those of the pre_tokenizer
    steps_.emplace_back(join_bytes);
  } else if (name == "ByteFallback") {
    decoder.only_keys({"type"});
    steps_.emplace_back(join_fallback_bytes);
  } else if (name == "Fuse") {
    decoder.only_keys({"type"});
    steps_.emplace_back([](Tokens& tokens) { tokens.assign(1, core::join(tokens, "")); });
  } else if (name == "Replace") {
    steps_.emplace_back([step = read_replace_step(decoder)](Tokens& tokens) {
      for (std::string& token : tokens) replace_in(step, token);
    });
  } else if (name == "Strip") {
    steps_.push_back(read_strip(decoder));
  } else if (name == "Metaspace") {
    steps_.push_back(decode_metaspace(decoder));
  } else {
    type.fail(core::printable(name) +
              " is not supported; known: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, "
              "Sequence");
  }
}

std::string TokenDecoder::decode(std::vector<std::string> tokens) const {
  for (const auto& step : steps_) step(tokens);
  return core::join(tokens, between_);
}

}  // namespace salf::data
