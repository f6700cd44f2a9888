#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/gguf_rules.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"
#include "data/tokenizer/tokenizer_json.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestGguf = 1ULL << 28U;
constexpr std::int64_t kProvedTokens = 50'000;

// Scripts, contractions, numbers, white space, code, characters outside of the basic plane, and
// characters that NFC changes.
constexpr const char* kProofTexts[] = {
    "Hello world! It's what they'd've said, isn't it? WE'LL SEE.",
    " leading and trailing   spaces  \n\n\n\ttabs\t\t and lines\r\n  end ",
    "3.14159 and 1234567890, 1e-5, 0x1F; 2026-11-24 12:30:45 \xC2\xBD \xE2\x85\xA7",
    "def f(x, *y):\n    return {'a': [x[0], \"b\"], **z}  # comment\n\n\n",
    "\xC3\xA9t\xC3\xA9 e\xCC\x81te\xCC\x81 na\xC3\xAFve stra\xC3\x9F"
    "e \xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xCE\xB1\xCE\xB2",
    "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C \xE3\x81\x93\xE3\x82\x93 "
    "\xED\x95\x9C\xEA\xB5\xAD \xD7\xA9\xD7\x9C \xE0\xA4\xA8\xE0\xA4\xAE",
    "\xF0\x9F\x98\x80\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xE2\x80\x9Cquotes\xE2\x80\x9D "
    "\xE2\x80\xA6 \xE2\x96\x81x",
    "a", " ", ""};

[[noreturn]] void refuse_tokenizer(const fs::path& file, const std::string& problem) {
  refuse(core::printable_path(file), "GGUF cannot express this tokenizer: " + problem);
}

// A step without the options that change no ids and with its defaults, so that equal steps compare
// equal.
PlainJson canonical(const PlainJson& step) {
  if (!step.is_object()) return step;
  PlainJson result = step;
  const std::string type = step.value("type", "");
  for (const char* const list : {"pretokenizers", "normalizers"}) {
    if (type != "Sequence" || !step.contains(list) || !step[list].is_array()) continue;
    result[list] = PlainJson::array();
    for (const PlainJson& item : step[list]) result[list].push_back(canonical(item));
    if (result[list].empty()) return nullptr;
    if (result[list].size() == 1) return result[list][0];
  }
  if (type == "ByteLevel") {
    result.erase("trim_offsets");
    result.emplace("use_regex", true);
    result.emplace("add_prefix_space", true);
  }
  if (type == "Split") result.emplace("invert", false);
  if (type == "Digits") result.emplace("individual_digits", false);
  return result;
}

PlainJson member(const PlainJson& json, const char* key) {
  return json.contains(key) ? json[key] : PlainJson();
}

bool mentions(const PlainJson& step, const std::string& type) {
  if (!step.is_object() && !step.is_array()) return false;
  if (step.is_object() && step.contains("type") && step["type"] == type) return true;
  return std::any_of(
      step.begin(), step.end(), [&type](const PlainJson& item) { return mentions(item, type); });
}

std::vector<MergePair> read_merges(const JsonView& model) {
  std::vector<MergePair> merges;
  const JsonView list = model.at("merges");
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (auto pair = read_merge_pair(list.item(i))) merges.push_back(std::move(*pair));
  }
  return merges;
}

// The tokens by id and their types.
class TokenTable {
 public:
  TokenTable(const fs::path& file, std::int64_t vocabulary) : file_(file) {
    result_.tokens.resize(static_cast<std::size_t>(vocabulary));
    result_.token_types.assign(result_.tokens.size(), kUnused);
  }

  void set(std::int64_t id, const std::string& text, TokenType type) {
    if (id >= static_cast<std::int64_t>(result_.tokens.size())) {
      refuse_tokenizer(file_, "expected ids below the model's vocabulary of " +
                                  std::to_string(result_.tokens.size()) + ", got " +
                                  std::to_string(id));
    }
    const auto index = static_cast<std::size_t>(id);
    const auto [known, fresh] = ids_.emplace(text, id);
    if (!fresh && known->second != id) {
      refuse_tokenizer(file_, "the token \"" + core::printable(text, 60) + "\" has two ids, " +
                                  std::to_string(known->second) + " and " + std::to_string(id));
    }
    result_.tokens[index] = text;
    result_.token_types[index] = type;
  }

  std::optional<std::int64_t> find(const std::string& text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
  }

  GgufTokenizer finish() {
    for (std::size_t i = 0; i < result_.tokens.size(); ++i) {
      if (result_.token_types[i] != kUnused || !result_.tokens[i].empty()) continue;
      std::string name = "[PAD" + std::to_string(i) + "]";
      while (ids_.count(name) > 0) name += "_";
      set(static_cast<std::int64_t>(i), name, kUnused);
    }
    return std::move(result_);
  }

 private:
  const fs::path& file_;
  GgufTokenizer result_;
  std::map<std::string, std::int64_t> ids_;
};

std::string split_rule(const fs::path& file, const PlainJson& root, bool ignore_merges) {
  const PlainJson normalizer = canonical(member(root, "normalizer"));
  const PlainJson pre_tokenizer = canonical(member(root, "pre_tokenizer"));
  for (const NamedRule& rule : kNamedRules) {
    if (ignore_merges == rule.ignore_merges &&
        normalizer == canonical(PlainJson::parse(rule.normalizer)) &&
        pre_tokenizer == canonical(PlainJson::parse(rule.pre_tokenizer)))
      return rule.name;
  }
  refuse_tokenizer(file,
      "its normalizer, pre_tokenizer and ignore_merges together are none of the split rules "
      "that are known: " +
          known_rules());
}

bool is_byte_token(const std::string& text) {
  return text.size() == 6 && core::starts_with(text, "<0x") && text[5] == '>';
}

// Minus the rank of the merge that makes each token. Tokens that no merge makes come last.
std::vector<double> scores_of(const GgufTokenizer& gguf, const std::vector<MergePair>& merges) {
  std::map<std::string, double> ranks;
  for (std::size_t i = 0; i < merges.size(); ++i)
    ranks.emplace(merges[i].left + merges[i].right, -static_cast<double>(i));
  std::vector<double> scores;
  for (std::size_t id = 0; id < gguf.tokens.size(); ++id) {
    const auto found = ranks.find(gguf.tokens[id]);
    const double last =
        gguf.token_types[id] == kNormal ? -static_cast<double>(merges.size() + id) : 0.0;
    scores.push_back(found != ranks.end() ? found->second : last);
  }
  return scores;
}

bool adds_space(const PlainJson& root) {
  const PlainJson pre_tokenizer = member(root, "pre_tokenizer");
  if (mentions(pre_tokenizer, "Metaspace"))
    return pre_tokenizer.is_object() && pre_tokenizer.value("prepend_scheme", "always") != "never";
  return mentions(member(root, "normalizer"), "Prepend");
}

void add_tokens(const std::vector<AddedToken>& tokens, TokenTable& table) {
  for (const AddedToken& token : tokens) {
    table.set(token.id, token.content, token.special ? kControl : kUserDefined);
  }
}

// REQUIRES: load_tokenizer() reads the file
GgufTokenizer read_json(const fs::path& file, const std::string& text, std::int64_t vocabulary) {
  const std::string name = core::printable_path(file);
  const PlainJson root = parse_checked(text, name);
  const JsonView view(root, name + ": ");
  const JsonView model = view.at("model");
  const auto type = model.find("type");
  if (type && type->text() != "BPE") {
    refuse_tokenizer(file, "its model is " + core::printable(type->text(), 60) + ", expected BPE");
  }
  const bool byte_level = mentions(member(root, "pre_tokenizer"), "ByteLevel");
  TokenTable table(file, vocabulary);
  for (const auto& [token, id] : model.at("vocab").value().items()) {
    table.set(id.get<std::int64_t>(), token, !byte_level && is_byte_token(token) ? kByte : kNormal);
  }
  if (const auto added = view.find("added_tokens")) add_tokens(read_added_tokens(*added), table);
  std::optional<std::int64_t> unknown;
  if (const auto token = model.find("unk_token")) unknown = table.find(token->text());
  if (unknown && !byte_level) table.set(*unknown, model.at("unk_token").text(), kUnknown);
  const std::vector<MergePair> merges = read_merges(model);
  GgufTokenizer gguf = table.finish();
  gguf.unknown = unknown;
  if (byte_level) {
    gguf.pre = split_rule(file, root, model.flag("ignore_merges", false));
    for (const MergePair& merge : merges) gguf.merges.push_back(merge.left + " " + merge.right);
    return gguf;
  }
  if (!model.flag("byte_fallback", false)) {
    refuse_tokenizer(file, "expected BPE over bytes, or over characters with byte_fallback");
  }
  gguf.kind = GgufTokenizer::Kind::kSentencePiece;
  gguf.add_space_prefix = adds_space(root);
  gguf.scores = scores_of(gguf, merges);
  return gguf;
}

// The tokenizer_config.json beside a SentencePiece model may add tokens.
void add_tokens_of_config(const fs::path& file, TokenTable& table) {
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  if (!fs::is_regular_file(config)) return;
  const std::string name = core::printable_path(config);
  const PlainJson root = parse_checked(core::read_file(config, kLargestGguf), name);
  const auto added = JsonView(root, name + ": ").find("added_tokens_decoder");
  if (!added) return;
  std::vector<AddedToken> tokens = read_added_tokens_decoder(*added);
  const auto is_known = [&](const AddedToken& token) {
    return table.find(token.content).has_value();
  };
  tokens.erase(std::remove_if(tokens.begin(), tokens.end(), is_known), tokens.end());
  add_tokens(tokens, table);
}

GgufTokenizer read_pieces(const fs::path& file, const std::string& bytes, std::int64_t vocabulary) {
  const SentencePieceModel model = read_sentencepiece_model({core::printable_path(file), bytes});
  if (model.kind != SentencePieceModel::Kind::kBpe)
    refuse_tokenizer(file, "its model is unigram, expected BPE");
  TokenTable table(file, vocabulary);
  std::vector<double> scores;
  for (const Piece& piece : model.pieces) {
    table.set(
        static_cast<std::int64_t>(scores.size()), piece.text, static_cast<TokenType>(piece.type));
    scores.push_back(static_cast<double>(piece.score));
  }
  add_tokens_of_config(file, table);
  GgufTokenizer gguf = table.finish();
  gguf.kind = GgufTokenizer::Kind::kSentencePiece;
  scores.resize(gguf.tokens.size(), 0.0);
  gguf.scores = std::move(scores);
  gguf.unknown = model.unknown;
  gguf.add_space_prefix = model.normalizer.add_dummy_prefix;
  return gguf;
}

// Compares the original with what readers of the GGUF file make of it.
class Proof {
 public:
  Proof(const fs::path& file, const Tokenizer& original, const GgufTokenizer& gguf)
      : file_(file), original_(original), gguf_(gguf) {
    const TokenizerJson texts = make_tokenizer_json(gguf);
    const std::string name = "the GGUF tokenizer";
    written_ = read_tokenizer({name, texts.tokenizer}, NamedText{name, texts.config});
  }

  std::vector<std::string> differences() const {
    if (original_.add_bos() != written_->add_bos())
      refuse_tokenizer(file_, "it would not put the same token in front of a text");
    for (const char* const text : kProofTexts) expect_same(text);
    expect_same_tokens();
    std::vector<std::string> found;
    if (!same(" a text")) found.emplace_back("texts that begin with a space");
    if (!same_around_control_tokens()) found.emplace_back("texts with control tokens in them");
    return found;
  }

 private:
  bool same(const std::string& text) const {
    return core::invalid_utf8(text) || original_.encode(text) == written_->encode(text);
  }

  void expect_same(const std::string& text) const {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string::npos || same(text.substr(begin))) return;
    refuse_tokenizer(file_, "it would give other ids for \"" + core::printable(text, 80) + '"');
  }

  // Some tokens at a time.
  void expect_same_tokens() const {
    constexpr std::size_t kTogether = 16;
    const std::int64_t last = std::min(original_.vocabulary_size(), kProvedTokens);
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 0; id < last; ++id) {
      const std::int64_t type = gguf_.token_types[static_cast<std::size_t>(id)];
      if (type != kControl && type != kUnknown && type != kUnused) ids.push_back(id);
      if (ids.size() < kTogether && id + 1 < last) continue;
      expect_same(original_.decode(ids));
      ids.clear();
    }
  }

  bool same_around_control_tokens() const {
    constexpr std::size_t kSome = 100;
    std::size_t tried = 0;
    for (std::size_t id = 0; id < gguf_.tokens.size() && tried < kSome; ++id) {
      if (gguf_.token_types[id] != kControl) continue;
      ++tried;
      const std::string& token = gguf_.tokens[id];
      if (!same("a" + token + "b " + token + " c\n" + token + "\nd")) return false;
    }
    return true;
  }

  const fs::path& file_;
  const Tokenizer& original_;
  const GgufTokenizer& gguf_;
  std::unique_ptr<Tokenizer> written_;
};

}  // namespace

ProvedGgufTokenizer make_gguf_tokenizer(const fs::path& tokenizer, std::int64_t vocabulary) {
  const auto original = load_tokenizer(tokenizer);
  const std::string bytes = core::read_file(tokenizer, kLargestGguf);
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && bytes[first] == '{';
  GgufTokenizer gguf =
      is_json ? read_json(tokenizer, bytes, vocabulary) : read_pieces(tokenizer, bytes, vocabulary);
  gguf.bos = original->bos_id();
  gguf.eos = original->eos_id();
  gguf.padding = original->padding_id();
  gguf.add_bos = original->add_bos();
  std::vector<std::string> differences = Proof(tokenizer, *original, gguf).differences();
  return {std::move(gguf), std::move(differences)};
}

}  // namespace salf::data
