#include "salf/data/tokenizer.h"

#include <limits>
#include <set>
#include <utility>

#include "added_tokens.h"
#include "byte_level_bpe.h"
#include "checked_json.h"
#include "normalizer.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/hash.h"
#include "salf/core/log.h"
#include "salf/core/text.h"
#include "special_ids.h"
#include "split_rules.h"
#include "tokenizer_reader.h"

namespace salf::data {
namespace {

constexpr std::uint64_t kLargestFile = 1ULL << 28;

// The steps of Hugging Face's TokenizerImpl::encode(), in its order.
class PipelineTokenizer final : public Tokenizer {
 public:
  PipelineTokenizer(const JsonView& root, const std::optional<JsonView>& config, std::string hash)
      : hash_(std::move(hash)),
        normalizer_(root.find("normalizer")),
        rules_(root.at("pre_tokenizer")),
        bpe_(root.at("model")) {
    check_decoder(root.at("decoder"));
    read_decoded();
    if (const auto added = root.find("added_tokens")) read_added(*added);
    special_ = read_special_ids(root.find("post_processor"), config,
                                [this](const std::string& token) { return id_of(token); });
    check_special(root);
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
        encode_piece(piece.text, encoding);
      }
    }
    return std::move(encoding.ids);
  }

  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::string bytes;
    for (const std::int64_t id : ids) {
      const bool known =
          id >= 0 && id < vocabulary_size() && decoded_[static_cast<std::size_t>(id)];
      if (!known) {
        throw Error(ErrorKind::kBadInput,
                    "the tokenizer has no token with the id " + std::to_string(id));
      }
      bytes += *decoded_[static_cast<std::size_t>(id)];
    }
    return bytes;
  }

  std::int64_t vocabulary_size() const override {
    return static_cast<std::int64_t>(decoded_.size());
  }
  std::optional<std::int64_t> bos_id() const override { return special_.bos; }
  std::optional<std::int64_t> eos_id() const override { return special_.eos; }
  std::optional<std::int64_t> padding_id() const override { return special_.padding; }
  bool add_bos() const override { return special_.add_bos; }
  const std::string& hash() const override { return hash_; }

 private:
  // What one call of encode() works with.
  struct Encoding {
    std::vector<std::int64_t> ids;
    std::string normalized;
    std::vector<TextPiece> pieces;
    Words words;
    ByteLevelBpe::Scratch scratch;
  };

  static void check_text(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() / 2)) {
      throw Error(ErrorKind::kBadInput, "a text of " + core::format_bytes(text.size()) +
                                            " is too long for the tokenizer; cut it");
    }
    if (const auto invalid = core::invalid_utf8(text)) {
      throw Error(ErrorKind::kBadInput,
                  "the text is not valid UTF-8 at byte " + std::to_string(*invalid));
    }
  }

  void encode_piece(std::string_view text, Encoding& encoding) const {
    encoding.pieces.clear();
    normalized_tokens_.split(normalizer_.apply(text, encoding.normalized), encoding.pieces);
    for (const TextPiece& piece : encoding.pieces) {
      if (piece.id >= 0) {
        encoding.ids.push_back(piece.id);
        continue;
      }
      rules_.split(piece.text, encoding.words);
      for (const std::string_view word : encoding.words.pieces) {
        bpe_.encode(word, encoding.scratch, encoding.ids);
      }
    }
  }

  static void check_decoder(const JsonView& decoder) {
    const JsonView type = decoder.at("type");
    if (type.text() == "ByteLevel") return;
    const auto list = type.text() == "Sequence" ? decoder.find("decoders") : std::nullopt;
    if (!list || list->array().size() != 1) {
      decoder.fail("expected ByteLevel or a Sequence of one ByteLevel, found " +
                   core::printable(type.text()));
    }
    check_decoder(list->item(0));
  }

  // The bytes of each token; what is not in the byte-level alphabet stands for itself.
  void read_decoded() {
    for (const auto& token : bpe_.tokens()) {
      auto& decoded = decoded_.emplace_back();
      if (!token) continue;
      decoded = bytes_of_token(*token);
      if (!decoded) decoded = token;
    }
  }

  void read_added(const JsonView& entries) {
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    std::set<std::string> seen_raw;
    std::set<std::string> seen_normalized;
    const auto tokens = read_added_tokens(entries);
    const std::size_t limit = decoded_.size() + tokens.size() + (std::size_t{1} << 16);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      AddedToken token = tokens[i];
      const JsonView where = entries.item(i);
      place_added(token, where, limit);
      if (token.normalized) {
        std::string buffer;
        token.content = std::string(normalizer_.apply(token.content, buffer));
      }
      auto& seen = token.normalized ? seen_normalized : seen_raw;
      if (!token.content.empty() && !seen.insert(token.content).second) {
        where.fail("\"" + core::printable(token.content, 60) + "\" is there twice");
      }
      (token.normalized ? normalized : raw).push_back(std::move(token));
    }
    raw_tokens_ = AddedTokenFinder(std::move(raw));
    normalized_tokens_ = AddedTokenFinder(std::move(normalized));
  }

  // Gives the token its id: the vocabulary's where it has the token, else a free one.
  void place_added(const AddedToken& token, const JsonView& where, std::size_t limit) {
    const auto id = static_cast<std::size_t>(token.id);
    const auto known = bpe_.id(token.content);
    if (known && *known != token.id) {
      where.fail("the id " + std::to_string(token.id) + " is not the vocabulary's, which is " +
                 std::to_string(*known));
    }
    const bool taken = !known && id < decoded_.size() && decoded_[id];
    if (taken || added_by_id_.count(token.id) > 0) {
      where.fail("the id " + std::to_string(token.id) + " is taken by another token");
    }
    if (id >= limit) {
      where.fail("the id " + std::to_string(token.id) +
                 " leaves too many ids without a token; expected less than " +
                 std::to_string(limit));
    }
    if (id >= decoded_.size()) decoded_.resize(id + 1);
    decoded_[id] = token.content;
    added_by_id_.insert(token.id);
    added_ids_.emplace(token.content, token.id);
  }

  std::optional<std::int64_t> id_of(const std::string& token) const {
    const auto found = added_ids_.find(token);
    return found != added_ids_.end() ? found->second : bpe_.id(token);
  }

  void check_special(const JsonView& root) const {
    for (const auto& id : {special_.bos, special_.eos, special_.padding}) {
      if (id && (*id >= vocabulary_size() || !decoded_[static_cast<std::size_t>(*id)])) {
        root.at("post_processor").fail("no token has the id " + std::to_string(*id));
      }
    }
  }

  std::string hash_;
  Normalizer normalizer_;
  SplitRules rules_;
  ByteLevelBpe bpe_;
  AddedTokenFinder raw_tokens_{{}};
  AddedTokenFinder normalized_tokens_{{}};
  std::unordered_map<std::string, std::int64_t> added_ids_;
  std::set<std::int64_t> added_by_id_;
  std::vector<std::optional<std::string>> decoded_;  // id -> bytes; nothing for the holes
  SpecialIds special_;
};

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer(const NamedText& tokenizer,
                                          const std::optional<NamedText>& config) {
  const json root = parse_checked(tokenizer.text, tokenizer.name);
  const JsonView view(root, tokenizer.name + ": ");
  // truncation and padding are the caller's business, as in transformers.
  view.only_keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                  "post_processor", "decoder", "model"});
  const std::string hash = core::sha256(tokenizer.text);
  if (!config) return std::make_unique<PipelineTokenizer>(view, std::nullopt, hash);
  const json config_root = parse_checked(config->text, config->name);
  return std::make_unique<PipelineTokenizer>(view, JsonView(config_root, config->name + ": "),
                                             hash);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& tokenizer_json) {
  const NamedText tokenizer{tokenizer_json.string(), core::read_file(tokenizer_json, kLargestFile)};
  const auto config_path = tokenizer_json.parent_path() / "tokenizer_config.json";
  std::optional<NamedText> config;
  if (std::filesystem::exists(config_path)) {
    config = NamedText{config_path.string(), core::read_file(config_path, kLargestFile)};
  }
  return read_tokenizer(tokenizer, config);
}

}  // namespace salf::data
