#include <map>

#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/tokenizer/pipeline.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"
#include "data/tokenizer/sentencepiece/unigram.h"

namespace salf::data {
namespace {

// The library whose rules normalise text and order the merges.
enum class Convention { kSentencePiece, kLlama, kGemma };

Convention read_convention(const std::optional<JsonView>& config, SentencePieceModel::Kind kind) {
  const auto name = config ? config->find("tokenizer_class") : std::nullopt;
  if (!name || kind == SentencePieceModel::Kind::kUnigram) return Convention::kSentencePiece;
  std::string known = name->text();
  if (core::ends_with(known, "Fast") && known != "Fast") known.resize(known.size() - 4);
  if (known == "LlamaTokenizer" || known == "CodeLlamaTokenizer") return Convention::kLlama;
  if (known == "GemmaTokenizer") return Convention::kGemma;
  if (known == "PreTrainedTokenizer" || known == "TokenizersBackend") {
    return Convention::kSentencePiece;
  }
  name->fail(
      "\"" + core::printable(known, 60) +
      "\" is not supported with a SentencePiece model; known: LlamaTokenizer, "
      "CodeLlamaTokenizer, GemmaTokenizer; without it the model is read as the sentencepiece "
      "package does");
}

Vocabulary vocabulary_of(const SentencePieceModel& model) {
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) vocabulary.add(model.pieces[i].text, i);
  return vocabulary;
}

std::unique_ptr<TokenModel> make_bpe(
    const SentencePieceModel& model, Convention convention, const std::string& file) {
  const std::vector<Merge> merges = convention == Convention::kSentencePiece
                                        ? merges_by_score(model, file)
                                        : merges_by_id(model, file);
  BpeOptions options;
  options.unknown = static_cast<std::int32_t>(model.unknown);
  options.fuse_unknown = true;
  options.byte_fallback = model.byte_fallback;
  return std::make_unique<Bpe>(vocabulary_of(model), merges, options);
}

std::unique_ptr<TokenModel> make_unigram(const SentencePieceModel& model) {
  std::vector<UnigramToken> tokens;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    const bool user_defined = piece.type == PieceType::kUserDefined;
    if (piece.type != PieceType::kNormal && !user_defined) continue;
    tokens.push_back(
        {static_cast<std::int32_t>(i), static_cast<double>(piece.score), user_defined});
  }
  UnigramOptions options;
  options.unknown = static_cast<std::int32_t>(model.unknown);
  options.byte_fallback = model.byte_fallback;
  options.sentencepiece = true;
  return std::make_unique<Unigram>(vocabulary_of(model), tokens, options);
}

// Reads a part of a tokenizer.json from `text`.
template <class Part> Part part_of_json(const std::string& text) {
  const PlainJson value = parse_checked(text, "SentencePiece");
  return Part(std::optional<JsonView>(JsonView(value, "SentencePiece: ")));
}

SplitRules make_rules(Convention convention, bool prefix, const std::optional<JsonView>& config) {
  if (convention == Convention::kSentencePiece) return SplitRules(std::nullopt);
  const bool legacy = config && config->flag("legacy", false);
  const std::string scheme = !prefix ? "never" : legacy ? "always" : "first";
  return part_of_json<SplitRules>(
      R"({"type":"Metaspace","replacement":"\u2581","split":false,"prepend_scheme":")" + scheme +
      "\"}");
}

// The added tokens: the model's own, then those of the config, which may override them.
std::vector<AddedToken> added_tokens(const SentencePieceModel& model, Convention convention,
    const std::optional<JsonView>& config, const std::string& file) {
  std::map<std::string, std::int64_t> ids;
  std::map<std::int64_t, AddedToken> by_id;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    AddedToken token;
    token.id = static_cast<std::int64_t>(i);
    ids.emplace(piece.text, token.id);
    const bool user_defined = piece.type == PieceType::kUserDefined;
    token.special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    // A unigram model finds its own: their scores count between ways.
    const bool found_by_model = model.kind == SentencePieceModel::Kind::kUnigram;
    if (!token.special && (!user_defined || found_by_model)) continue;
    token.content = piece.text;
    // The package looks for them in the normalised text, which keeps them as they are.
    token.normalized = user_defined && convention == Convention::kSentencePiece;
    token.where = file + ": pieces[" + std::to_string(i) + ']';
    by_id[token.id] = std::move(token);
  }
  std::vector<AddedToken> more;
  if (const auto decoder = config ? config->find("added_tokens_decoder") : std::nullopt) {
    more = read_added_tokens_decoder(*decoder);
  }
  auto next = static_cast<std::int64_t>(model.pieces.size());
  for (AddedToken& token : more) {
    if (token.content.empty()) continue;
    const auto [known, is_new] = ids.emplace(token.content, next);
    if (is_new && token.id != next++) {
      refuse(token.where, '"' + core::printable(token.content, 60) +
                              "\" is not in the model; as the next token it has the id " +
                              std::to_string(known->second) + ", expected " +
                              std::to_string(token.id));
    }
    token.id = known->second;
    by_id[token.id] = std::move(token);
  }
  std::vector<AddedToken> tokens;
  for (auto& entry : by_id) tokens.push_back(std::move(entry.second));
  return tokens;
}

SpecialIds defaults_of(const SentencePieceModel& model) {
  const auto count = static_cast<std::int64_t>(model.pieces.size());
  const auto if_there = [&](std::int64_t id) {
    return id >= 0 && id < count ? std::optional<std::int64_t>(id) : std::nullopt;
  };
  SpecialIds ids;
  ids.bos = if_there(model.bos);
  ids.eos = if_there(model.eos);
  ids.padding = if_there(model.padding);
  ids.add_bos = ids.bos.has_value();
  return ids;
}

}  // namespace

std::string sentencepiece_decoder(bool prefix) {
  const std::string strip = R"(,{"type":"Strip","content":" ","start":1,"stop":0})";
  return R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
         R"({"type":"ByteFallback"},{"type":"Fuse"})" +
         (prefix ? strip : "") + "]}";
}

std::unique_ptr<Tokenizer> read_sentencepiece(
    const NamedText& file, const std::optional<JsonView>& config) {
  const SentencePieceModel model = read_sentencepiece_model(file);
  const Convention convention = read_convention(config, model.kind);
  const bool as_package = convention == Convention::kSentencePiece;
  std::vector<NormalizerStep> steps;
  if (as_package) {
    steps.push_back(make_sentencepiece_step(
        model.normalizer, file.name + ": normalizer_spec.precompiled_charsmap"));
  }
  const bool bpe = model.kind == SentencePieceModel::Kind::kBpe;
  const bool prefix = as_package ? model.normalizer.add_dummy_prefix
                                 : convention == Convention::kLlama &&
                                       (!config || config->flag("add_prefix_space", true));
  std::vector<AddedToken> added = added_tokens(model, convention, config, file.name);
  TokenizerParts parts{Normalizer(std::move(steps)), make_rules(convention, prefix, config),
      bpe ? make_bpe(model, convention, file.name) : make_unigram(model),
      part_of_json<TokenDecoder>(sentencepiece_decoder(prefix)), std::move(added), !as_package};
  const auto read_special = [&](const IdLookup& id_of) {
    return read_special_ids(std::nullopt, config, id_of, defaults_of(model));
  };
  return make_tokenizer(std::move(parts), read_special, core::sha256(file.text));
}

}  // namespace salf::data
