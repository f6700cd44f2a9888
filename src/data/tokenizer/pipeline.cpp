#include "data/tokenizer/pipeline.h"

#include <limits>
#include <set>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"

namespace salf::data {
namespace {

// Does the steps of Hugging Face's TokenizerImpl::encode() in the same order.
class PipelineTokenizer final : public Tokenizer {
 public:
  PipelineTokenizer(TokenizerParts parts, const ReadSpecialIds& read_special, std::string hash)
      : hash_(std::move(hash)), parts_(std::move(parts)),
        tokens_(parts_.model->vocabulary().tokens()) {
    add_tokens();
    special_ = read_special([this](const std::string& token) { return id_of(token); });
    if (!special_.eos && special_.end && has_token(*special_.end)) special_.eos = special_.end;
    for (const auto& id : {special_.bos, special_.eos, special_.padding}) {
      if (id && !has_token(*id)) {
        refuse(special_.where, "no token has the id " + std::to_string(*id));
      }
    }
  }

  std::vector<std::int64_t> encode(std::string_view text) const override {
    check_text(text);
    Encoding encoding;
    std::vector<TextPiece> pieces;
    raw_tokens_.split(text, pieces);
    for (const TextPiece& piece : pieces) {
      if (piece.id >= 0) {
        encoding.ids.push_back(piece.id);
      } else {
        encode_piece(piece.text, piece.text.data() == text.data(), encoding);
      }
    }
    return std::move(encoding.ids);
  }

  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const std::int64_t id : ids) {
      if (!has_token(id)) {
        throw Error(
            ErrorKind::kBadInput, "the tokenizer has no token with the id " + std::to_string(id));
      }
      tokens.push_back(*tokens_[static_cast<std::size_t>(id)]);
    }
    return parts_.decoder.decode(std::move(tokens));
  }

  bool is_special(std::int64_t id) const override {
    return has_token(id) && special_tokens_.count(*tokens_[static_cast<std::size_t>(id)]) > 0;
  }

  std::int64_t vocabulary_size() const override {
    return static_cast<std::int64_t>(tokens_.size());
  }
  std::optional<std::int64_t> bos_id() const override { return special_.bos; }
  std::optional<std::int64_t> eos_id() const override { return special_.eos; }
  std::optional<std::int64_t> padding_id() const override { return special_.padding; }
  bool add_bos() const override { return special_.add_bos; }
  const std::string& hash() const override { return hash_; }

 private:
  // The state of one call of encode().
  struct Encoding {
    std::vector<std::int64_t> ids;
    NormalizerBuffers normalized;
    std::vector<TextPiece> pieces;
    Words words;
    ModelScratch scratch;
  };

  static void check_text(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() / 8)) {
      throw Error(ErrorKind::kBadInput, "a text of " + core::format_bytes(text.size()) +
                                            " is too long for the tokenizer; cut it");
    }
    if (const auto invalid = core::invalid_utf8(text)) {
      throw Error(
          ErrorKind::kBadInput, "the text is not valid UTF-8 at byte " + std::to_string(*invalid));
    }
  }

  void encode_piece(std::string_view text, bool is_first, Encoding& encoding) const {
    encoding.pieces.clear();
    const NormalizedText normal = parts_.normalizer.apply(text, encoding.normalized);
    normalized_tokens_.split(normal.text, encoding.pieces);
    for (const TextPiece& piece : encoding.pieces) {
      if (piece.id >= 0) {
        encoding.ids.push_back(piece.id);
        continue;
      }
      const auto begin = static_cast<std::size_t>(piece.text.data() - normal.text.data());
      const bool has_first = is_first && begin < normal.from_first;
      parts_.rules.split({piece.text, has_first ? normal.from_first - begin : 0}, encoding.words);
      for (const Word& word : encoding.words.pieces) {
        check_length(word.text);
        parts_.model->encode(word.text, encoding.scratch, encoding.ids);
      }
    }
  }

  // Normalizers may make a text much longer.
  static void check_length(std::string_view word) {
    if (word.size() < static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) return;
    throw Error(ErrorKind::kBadInput, "a text of " + core::format_bytes(word.size()) +
                                          " (normalised) is too long for the tokenizer; cut it");
  }

  bool has_token(std::int64_t id) const {
    return id >= 0 && id < vocabulary_size() && tokens_[static_cast<std::size_t>(id)].has_value();
  }

  void add_tokens() {
    std::array<std::vector<AddedToken>, 2> tokens;  // raw, normalized
    std::array<std::set<std::string>, 2> seen;
    const std::size_t limit = Vocabulary::limit(tokens_.size() + parts_.added.size());
    for (AddedToken& token : parts_.added) {
      place(token, limit);
      if (token.special) special_tokens_.insert(token.content);
      if (token.normalized && parts_.normalize_added) {
        NormalizerBuffers buffers;
        token.content = std::string(parts_.normalizer.apply(token.content, buffers).text);
      }
      tokens_[static_cast<std::size_t>(token.id)] = token.content;
      const std::size_t kind = token.normalized ? 1 : 0;
      if (!token.content.empty() && !seen[kind].insert(token.content).second) {
        refuse(token.where, '"' + core::printable(token.content, 60) + "\" is there twice");
      }
      tokens[kind].push_back(std::move(token));
    }
    parts_.added.clear();
    raw_tokens_ = AddedTokenFinder(std::move(tokens[0]));
    normalized_tokens_ = AddedTokenFinder(std::move(tokens[1]));
  }

  // Gives the token its id: the vocabulary's where it has the token, else a free one.
  void place(const AddedToken& token, std::size_t limit) {
    const auto id = static_cast<std::size_t>(token.id);
    const auto known = parts_.model->vocabulary().id(token.content);
    if (known && *known != token.id) {
      refuse(token.where, "the id " + std::to_string(token.id) +
                              " is not the vocabulary's, which is " + std::to_string(*known));
    }
    const bool taken = !known && id < tokens_.size() && tokens_[id];
    if (taken || !added_by_id_.insert(token.id).second) {
      refuse(token.where, "the id " + std::to_string(token.id) + " is taken by another token");
    }
    if (id >= limit) {
      refuse(token.where, "the id " + std::to_string(token.id) +
                              " leaves too many ids without a token; expected less than " +
                              std::to_string(limit));
    }
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    added_ids_.emplace(token.content, token.id);
  }

  std::optional<std::int64_t> id_of(const std::string& token) const {
    const auto found = added_ids_.find(token);
    return found != added_ids_.end() ? found->second : parts_.model->vocabulary().id(token);
  }

  std::string hash_;
  TokenizerParts parts_;
  AddedTokenFinder raw_tokens_{{}};
  AddedTokenFinder normalized_tokens_{{}};
  std::unordered_map<std::string, std::int64_t> added_ids_;
  std::set<std::int64_t> added_by_id_;
  std::set<std::string> special_tokens_;
  std::vector<std::optional<std::string>> tokens_;  // id -> as the decoder gets it; or a hole
  SpecialIds special_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(
    TokenizerParts parts, const ReadSpecialIds& read_special, std::string hash) {
  return std::make_unique<PipelineTokenizer>(std::move(parts), read_special, std::move(hash));
}

}  // namespace salf::data
