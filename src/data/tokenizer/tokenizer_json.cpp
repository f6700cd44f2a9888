#include "data/tokenizer/tokenizer_json.h"

#include <cmath>
#include <utility>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/checked_json.h"
#include "data/tokenizer/gguf_rules.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {
namespace {

constexpr const char* kSpaceSymbol = "\xE2\x96\x81";  // U+2581

[[noreturn]] void refuse_field(const std::string& field, const std::string& problem) {
  refuse("tokenizer.ggml." + field, problem);
}

void check_count(const char* field, std::size_t count, const GgufTokenizer& gguf) {
  if (count == gguf.tokens.size()) return;
  refuse_field(field, "expected one for each of " + std::to_string(gguf.tokens.size()) +
                          " tokens, found " + std::to_string(count));
}

std::string item(const char* list, std::size_t index) {
  return list + ("[" + std::to_string(index) + "]");
}

const NamedRule& rule_named(const std::string& name) {
  for (const NamedRule& rule : kNamedRules) {
    if (name == rule.name) return rule;
  }
  refuse_field("pre", "the split rule \"" + core::printable(name, 60) +
                          "\" is not supported; known: " + known_rules());
}

std::string quoted(const std::string& text) { return PlainJson(text).dump(); }

// REQUIRES: every token is valid UTF-8
const std::string& token_of(const GgufTokenizer& gguf, std::int64_t id, const char* key) {
  if (id < 0 || id >= static_cast<std::int64_t>(gguf.tokens.size())) {
    refuse_field(key, "the id " + std::to_string(id) + " is not below the number of tokens, " +
                          std::to_string(gguf.tokens.size()));
  }
  return gguf.tokens[static_cast<std::size_t>(id)];
}

void check_lists(const GgufTokenizer& gguf) {
  const auto check_utf8 = [](const std::vector<std::string>& list, const char* name) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (core::invalid_utf8(list[i])) {
        refuse_field(item(name, i), "not valid UTF-8: " + core::printable(list[i], 60));
      }
    }
  };
  check_utf8(gguf.tokens, "tokens");
  check_utf8(gguf.merges, "merges");
  if (!gguf.token_types.empty()) check_count("token_type", gguf.token_types.size(), gguf);
  for (std::size_t i = 0; i < gguf.token_types.size(); ++i) {
    const std::int64_t type = gguf.token_types[i];
    if (type < kNormal || type > kByte) {
      refuse_field(item("token_type", i), "expected 1 to 6, found " + std::to_string(type));
    }
  }
}

// SentencePiece finds its user-defined tokens after spaces became U+2581.
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
    const core::Json entry{{"id", i}, {"content", gguf.tokens[i]}, {"single_word", false},
        {"lstrip", false}, {"rstrip", false}, {"normalized", normalized},
        {"special", type == kControl}};
    entries.push_back("    " + entry.dump());
  }
  return entries.empty() ? "[]" : "[\n" + core::join(entries, ",\n") + "\n  ]";
}

std::string post_processor(const GgufTokenizer& gguf) {
  if (!gguf.add_bos || !gguf.bos) {
    if (gguf.kind == GgufTokenizer::Kind::kSentencePiece) return "null";
    return R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
  }
  const std::string& bos = token_of(gguf, *gguf.bos, "bos_token_id");
  const auto part = [](const char* kind, const std::string& id, int type) {
    return core::Json{{kind, {{"id", id}, {"type_id", type}}}};
  };
  const auto first = part("SpecialToken", bos, 0);
  const auto text = part("Sequence", "A", 0);
  core::Json json{{"type", "TemplateProcessing"}};
  json["single"] = core::Json::array({first, text});
  json["pair"] =
      core::Json::array({first, text, part("SpecialToken", bos, 1), part("Sequence", "B", 1)});
  json["special_tokens"][bos] = {
      {"id", bos}, {"ids", core::Json::array({*gguf.bos})}, {"tokens", core::Json::array({bos})}};
  return json.dump();
}

// `merges`: JSON, one each
std::string model(
    const GgufTokenizer& gguf, bool ignore_merges, const std::vector<std::string>& merges) {
  const bool characters = gguf.kind == GgufTokenizer::Kind::kSentencePiece;
  core::Json unknown;
  if (characters && gguf.unknown) unknown = token_of(gguf, *gguf.unknown, "unknown_token_id");
  const core::Json options{{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", unknown},
      {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr},
      {"fuse_unk", characters}, {"byte_fallback", characters}, {"ignore_merges", ignore_merges}};
  std::string text = options.dump();
  text.back() = ',';
  text += "\n    \"vocab\":{";
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
  core::Json config{{"add_bos_token", gguf.add_bos}};
  const auto add = [&](const char* name, const char* key, const std::optional<std::int64_t>& id) {
    if (id) config[name] = token_of(gguf, *id, key);
  };
  add("bos_token", "bos_token_id", gguf.bos);
  add("eos_token", "eos_token_id", gguf.eos);
  add("pad_token", "padding_token_id", gguf.padding);
  add("unk_token", "unknown_token_id", gguf.unknown);
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  return config.dump(2) + "\n";
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
  return {
      rule.normalizer, rule.pre_tokenizer, kByteLevelRule, model(gguf, rule.ignore_merges, merges)};
}

// The tokens as pieces.
SentencePieceModel pieces_of(const GgufTokenizer& gguf) {
  SentencePieceModel pieces;
  check_count("scores", gguf.scores.size(), gguf);
  for (std::size_t i = 0; i < gguf.tokens.size(); ++i) {
    if (gguf.tokens[i].empty()) refuse_field(item("tokens", i), "is empty");
    if (!std::isfinite(gguf.scores[i])) refuse_field(item("scores", i), "is not finite");
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
  const std::string symbol = quoted(kSpaceSymbol);
  const std::string prepend = R"({"type":"Prepend","prepend":)" + symbol + "},";
  return {R"({"type":"Sequence","normalizers":[)" + (gguf.add_space_prefix ? prepend : "") +
              R"({"type":"Replace","pattern":{"String":" "},"content":)" + symbol + "}]}",
      "null", sentencepiece_decoder(gguf.add_space_prefix), model(gguf, false, merges)};
}

}  // namespace

TokenizerJson make_tokenizer_json(const GgufTokenizer& gguf) {
  const Parts parts = gguf.kind == GgufTokenizer::Kind::kSentencePiece ? sentencepiece_parts(gguf)
                                                                       : byte_level_parts(gguf);
  if (gguf.add_bos && !gguf.bos)
    refuse_field("add_bos_token", "true, but there is no bos_token_id");
  TokenizerJson result;
  result.config = config_text(gguf);
  result.tokenizer = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  result.tokenizer += "  \"added_tokens\": " + added_tokens(gguf) + ",\n";
  result.tokenizer += "  \"normalizer\": " + parts.normalizer + ",\n";
  result.tokenizer += "  \"pre_tokenizer\": " + parts.pre_tokenizer + ",\n";
  result.tokenizer += "  \"post_processor\": " + post_processor(gguf) + ",\n";
  result.tokenizer += "  \"decoder\": " + parts.decoder + ",\n";
  result.tokenizer += "  \"model\": " + parts.model + "\n}\n";
  // The reader checks the rest: merges of known tokens, no token twice, and so on.
  read_tokenizer({"tokenizer.ggml", result.tokenizer}, NamedText{"tokenizer.ggml", result.config});
  return result;
}

}  // namespace salf::data
