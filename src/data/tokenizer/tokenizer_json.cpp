#include "data/tokenizer/tokenizer_json.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "data/rows/checked_json.h"
#include "data/tokenizer/gguf_rules.h"
#include "data/tokenizer/sentencepiece/sentencepiece_merges.h"
#include "data/tokenizer/tokenizer_reader.h"

namespace salf::data {
namespace {

constexpr const char* kSpaceSymbol = "\xE2\x96\x81";  // U+2581

[[noreturn]] void refuse(const std::string& where, const std::string& problem) {
  throw Error(ErrorKind::kBadInput, "tokenizer.ggml." + where + ": " + problem);
}

const NamedRule& rule_named(const std::string& name) {
  for (const NamedRule& rule : named_rules()) {
    if (name == rule.name) return rule;
  }
  refuse("pre", "the split rule \"" + core::printable(name, 60) +
                    "\" is not supported; known: " + core::join(known_split_rules(), ", "));
}

std::string quoted(const std::string& text) { return PlainJson(text).dump(); }

// REQUIRES: every token is valid UTF-8
const std::string& token_of(const GgufTokenizer& gguf, std::int64_t id, const char* key) {
  if (id < 0 || id >= static_cast<std::int64_t>(gguf.tokens.size())) {
    refuse(key, "the id " + std::to_string(id) + " is not below the number of tokens, " +
                    std::to_string(gguf.tokens.size()));
  }
  return gguf.tokens[static_cast<std::size_t>(id)];
}

void check_lists(const GgufTokenizer& gguf) {
  const auto check_utf8 = [](const std::vector<std::string>& list, const char* name) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (core::invalid_utf8(list[i])) {
        refuse(std::string(name) + "[" + std::to_string(i) + "]",
            "not valid UTF-8: " + core::printable(list[i], 60));
      }
    }
  };
  check_utf8(gguf.tokens, "tokens");
  check_utf8(gguf.merges, "merges");
  if (!gguf.token_types.empty() && gguf.token_types.size() != gguf.tokens.size()) {
    refuse("token_type", "expected one for each of " + std::to_string(gguf.tokens.size()) +
                             " tokens, found " + std::to_string(gguf.token_types.size()));
  }
  for (std::size_t i = 0; i < gguf.token_types.size(); ++i) {
    const std::int64_t type = gguf.token_types[i];
    if (type < kNormal || type > kByte) {
      refuse("token_type[" + std::to_string(i) + "]",
          "expected 1 to 6, found " + std::to_string(type));
    }
  }
}

// SentencePiece looks for its user-defined tokens where spaces are U+2581 already.
bool is_normalized(const GgufTokenizer& gguf, const std::string& token) {
  return gguf.kind == GgufTokenizer::Kind::kSentencePiece && !gguf.add_space_prefix &&
         token.find(kSpaceSymbol) != std::string::npos;
}

std::string added_tokens(const GgufTokenizer& gguf) {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < gguf.token_types.size(); ++i) {
    const std::int64_t type = gguf.token_types[i];
    if (type != kControl && type != kUserDefined) continue;
    const bool normalized = type == kUserDefined && is_normalized(gguf, gguf.tokens[i]);
    entries.push_back("    {\"id\":" + std::to_string(i) +
                      ",\"content\":" + quoted(gguf.tokens[i]) +
                      R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":)" +
                      (normalized ? "true" : "false") + R"(,"special":)" +
                      (type == kControl ? "true}" : "false}"));
  }
  return entries.empty() ? "[]" : "[\n" + core::join(entries, ",\n") + "\n  ]";
}

std::string post_processor(const GgufTokenizer& gguf) {
  if (!gguf.add_bos || !gguf.bos) {
    if (gguf.kind == GgufTokenizer::Kind::kSentencePiece) return "null";
    return R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
  }
  const std::string bos = quoted(token_of(gguf, *gguf.bos, "bos_token_id"));
  const std::string first = R"({"SpecialToken":{"id":)" + bos + R"(,"type_id":0}})";
  const std::string text = R"({"Sequence":{"id":"A","type_id":0}})";
  const std::string second =
      R"({"SpecialToken":{"id":)" + bos + R"(,"type_id":1}},{"Sequence":{"id":"B","type_id":1}})";
  return R"({"type":"TemplateProcessing","single":[)" + first + "," + text + R"(],"pair":[)" +
         first + "," + text + "," + second + R"(],"special_tokens":{)" + bos + R"(:{"id":)" + bos +
         R"(,"ids":[)" + std::to_string(*gguf.bos) + R"(],"tokens":[)" + bos + "]}}}";
}

struct ModelFields {
  std::optional<std::string> unknown;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

const char* text_of(bool value) { return value ? "true" : "false"; }

// `merges`: JSON, one each
std::string model(
    const GgufTokenizer& gguf, const ModelFields& fields, const std::vector<std::string>& merges) {
  std::string text = R"({"type":"BPE","dropout":null,"unk_token":)";
  text += fields.unknown ? quoted(*fields.unknown) : "null";
  text += R"(,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":)";
  text += text_of(fields.fuse_unknown);
  text += std::string(",\"byte_fallback\":") + text_of(fields.byte_fallback);
  text += std::string(",\"ignore_merges\":") + text_of(fields.ignore_merges);
  text += ",\n    \"vocab\":{";
  for (std::size_t i = 0; i < gguf.tokens.size(); ++i) {
    text += (i == 0 ? "\n      " : ",\n      ") + quoted(gguf.tokens[i]) + ":" + std::to_string(i);
  }
  text += "\n    },\n    \"merges\":[";
  for (std::size_t i = 0; i < merges.size(); ++i) {
    text += (i == 0 ? "\n      " : ",\n      ") + merges[i];
  }
  return text + "\n    ]\n  }";
}

std::string config_text(const GgufTokenizer& gguf) {
  std::string text = "{\n  \"add_bos_token\": " + std::string(gguf.add_bos ? "true" : "false");
  const auto add = [&](const char* name, const char* key, const std::optional<std::int64_t>& id) {
    if (id) text += ",\n  \"" + std::string(name) + "\": " + quoted(token_of(gguf, *id, key));
  };
  add("bos_token", "bos_token_id", gguf.bos);
  add("eos_token", "eos_token_id", gguf.eos);
  add("pad_token", "padding_token_id", gguf.padding);
  add("unk_token", "unknown_token_id", gguf.unknown);
  return text + ",\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n";
}

// The parts of a tokenizer.json that differ between the two kinds, as JSON.
struct Parts {
  std::string normalizer, pre_tokenizer, decoder, model;
};

Parts byte_level_parts(const GgufTokenizer& gguf) {
  const NamedRule& rule = rule_named(gguf.pre);
  check_lists(gguf);
  std::vector<std::string> merges;
  for (const std::string& merge : gguf.merges) merges.push_back(quoted(merge));
  ModelFields fields;
  fields.ignore_merges = rule.ignore_merges;
  return {rule.normalizer, rule.pre_tokenizer, kByteLevelRule, model(gguf, fields, merges)};
}

// The tokens as pieces, in whose order they are merged.
SentencePieceModel pieces_of(const GgufTokenizer& gguf) {
  SentencePieceModel pieces;
  if (gguf.scores.size() != gguf.tokens.size()) {
    refuse("scores", "expected one for each of " + std::to_string(gguf.tokens.size()) +
                         " tokens, found " + std::to_string(gguf.scores.size()));
  }
  for (std::size_t i = 0; i < gguf.tokens.size(); ++i) {
    const std::string place = "[" + std::to_string(i) + "]";
    if (gguf.tokens[i].empty()) refuse("tokens" + place, "is empty");
    if (!std::isfinite(gguf.scores[i])) refuse("scores" + place, "is not finite");
    pieces.pieces.push_back(
        {gguf.tokens[i], static_cast<float>(gguf.scores[i]), PieceType::kNormal});
  }
  return pieces;
}

Parts sentencepiece_parts(const GgufTokenizer& gguf) {
  check_lists(gguf);
  std::vector<std::string> merges;
  for (const Merge& merge : merges_by_scores(pieces_of(gguf), "tokenizer.ggml")) {
    merges.push_back("[" + quoted(gguf.tokens[static_cast<std::size_t>(merge.left)]) + "," +
                     quoted(gguf.tokens[static_cast<std::size_t>(merge.right)]) + "]");
  }
  ModelFields fields;
  if (gguf.unknown) fields.unknown = token_of(gguf, *gguf.unknown, "unknown_token_id");
  fields.fuse_unknown = fields.byte_fallback = true;
  const std::string symbol = quoted(kSpaceSymbol);
  const std::string prepend = R"({"type":"Prepend","prepend":)" + symbol + "},";
  const std::string strip = R"(,{"type":"Strip","content":" ","start":1,"stop":0})";
  return {R"({"type":"Sequence","normalizers":[)" + (gguf.add_space_prefix ? prepend : "") +
              R"({"type":"Replace","pattern":{"String":" "},"content":)" + symbol + "}]}",
      "null",
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":)" + symbol +
          R"(},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"})" +
          (gguf.add_space_prefix ? strip : "") + "]}",
      model(gguf, fields, merges)};
}

}  // namespace

TokenizerJson make_tokenizer_json(const GgufTokenizer& gguf) {
  const Parts parts = gguf.kind == GgufTokenizer::Kind::kSentencePiece ? sentencepiece_parts(gguf)
                                                                       : byte_level_parts(gguf);
  if (gguf.add_bos && !gguf.bos) refuse("add_bos_token", "true, but there is no bos_token_id");
  TokenizerJson result;
  result.config = config_text(gguf);
  result.tokenizer = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  result.tokenizer += "  \"added_tokens\": " + added_tokens(gguf) + ",\n";
  result.tokenizer += "  \"normalizer\": " + parts.normalizer + ",\n";
  result.tokenizer += "  \"pre_tokenizer\": " + parts.pre_tokenizer + ",\n";
  result.tokenizer += "  \"post_processor\": " + post_processor(gguf) + ",\n";
  result.tokenizer += "  \"decoder\": " + parts.decoder + ",\n";
  result.tokenizer += "  \"model\": " + parts.model + "\n}\n";
  // The reader knows what a tokenizer must hold: merges of known tokens, no token twice, and so on.
  read_tokenizer({"tokenizer.ggml", result.tokenizer}, NamedText{"tokenizer.ggml", result.config});
  return result;
}

std::vector<std::string> known_split_rules() {
  std::vector<std::string> names;
  for (const NamedRule& rule : named_rules()) names.emplace_back(rule.name);
  return names;
}

}  // namespace salf::data
