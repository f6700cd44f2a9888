#include "byte_level_bpe.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "salf/core/log.h"

namespace salf::data {
namespace {

// Ids without a token that are accepted beside as many as there are tokens: vocabularies are
// padded, but a table is never made because one id is huge.
constexpr std::size_t kHoles = 1 << 16;

std::string utf8_below_0x800(std::uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0U | code >> 6U), static_cast<char>(0x80U | (code & 0x3FU))};
}

// The code points of the alphabet: printable Latin-1 as itself, the other bytes from U+0100 on.
std::array<std::uint32_t, 256> alphabet_codes() {
  std::array<std::uint32_t, 256> codes{};
  std::uint32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    codes[byte] = printable ? byte : next++;
  }
  return codes;
}

// Code point -> byte, or -1.
const std::array<std::int16_t, 0x200>& alphabet_bytes() {
  static const std::array<std::int16_t, 0x200> bytes = [] {
    std::array<std::int16_t, 0x200> table{};
    table.fill(-1);
    const auto codes = alphabet_codes();
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[codes[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  return bytes;
}

bool later(const ByteLevelBpe::Candidate& a, const ByteLevelBpe::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

const std::array<std::string, 256>& byte_alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> letters;
    const auto codes = alphabet_codes();
    for (std::size_t byte = 0; byte < 256; ++byte) letters[byte] = utf8_below_0x800(codes[byte]);
    return letters;
  }();
  return alphabet;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::uint32_t code = static_cast<unsigned char>(token[i]);
    if (code >= 0x80) {
      const bool two_bytes = (code & 0xE0U) == 0xC0U && i + 1 < token.size();
      if (!two_bytes) return std::nullopt;
      code = (code & 0x1FU) << 6U | (static_cast<unsigned char>(token[++i]) & 0x3FU);
    }
    const std::int16_t byte =
        code < alphabet_bytes().size() ? alphabet_bytes()[code] : std::int16_t{-1};
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

void MergeTable::reserve(std::size_t count) {
  std::size_t size = 16;
  while (size < 2 * count) size *= 2;
  slots_.assign(size, Slot{});
}

std::size_t MergeTable::slot(std::uint64_t key) const {
  const std::uint64_t mask = slots_.size() - 1;
  std::uint64_t index = (key * 0x9E3779B97F4A7C15ULL) >> 20U & mask;  // Fibonacci hashing
  while (slots_[index].key != key && slots_[index].key != kEmpty) index = (index + 1) & mask;
  return index;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key =
      static_cast<std::uint64_t>(left) << 32U | static_cast<std::uint32_t>(right);
  slots_[slot(key)] = {key, merge};
}

const Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key =
      static_cast<std::uint64_t>(left) << 32U | static_cast<std::uint32_t>(right);
  const Slot& found = slots_[slot(key)];
  return found.key == key ? &found.merge : nullptr;
}

ByteLevelBpe::ByteLevelBpe(const JsonView& model) {
  model.only_keys({"type", "dropout", "unk_token", "continuing_subword_prefix",
                   "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                   "merges"});
  const auto type = model.find("type");  // GPT-2's own file has none
  if (type && type->text() != "BPE") {
    type->fail(core::printable(type->text()) + " is not supported, expected BPE");
  }
  const auto dropout = model.find("dropout");
  if (dropout && !(dropout->value().is_number() && dropout->value().get<double>() == 0.0)) {
    dropout->fail("dropout is not supported, expected null");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto affix = model.find(key);
    if (affix && !affix->text().empty()) affix->fail("is not supported in a byte-level tokenizer");
  }
  read_vocabulary(model.at("vocab"));
  read_merges(model.at("merges"));
  read_bytes(model);
  if (!model.flag("ignore_merges", false)) return;
  for (const auto& entry : ids_) {
    if (auto bytes = bytes_of_token(entry.first)) words_.emplace(std::move(*bytes), entry.second);
  }
}

void ByteLevelBpe::read_vocabulary(const JsonView& vocab) {
  const std::size_t limit = 2 * vocab.object().size() + kHoles;
  for (const auto& [token, value] : vocab.value().items()) {
    const JsonView entry(value, vocab.where() + "[\"" + core::printable(token, 60) + "\"]");
    const auto id = static_cast<std::size_t>(entry.id());
    if (id >= limit) {
      entry.fail("the id " + std::to_string(id) +
                 " leaves too many ids without a token; expected less than " +
                 std::to_string(limit) + " with " + std::to_string(vocab.size()) + " tokens");
    }
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    if (tokens_[id]) {
      entry.fail("the id " + std::to_string(id) + " is taken by \"" +
                 core::printable(*tokens_[id], 60) + '"');
    }
    tokens_[id] = token;
    ids_.emplace(token, static_cast<std::int32_t>(id));
  }
  if (ids_.empty()) vocab.fail("the vocabulary is empty");
}

void ByteLevelBpe::read_merges(const JsonView& merges) {
  merges_.reserve(merges.array().size());
  std::int32_t rank = 0;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const json& merge = merges.value()[i];
    const bool header =
        merge.is_string() && merge.get_ref<const std::string&>().rfind("#version", 0) == 0;
    if (!header) add_merge(merges, i, rank++);
  }
}

void ByteLevelBpe::add_merge(const JsonView& merges, std::size_t index, std::int32_t rank) {
  const json& merge = merges.value()[index];
  std::string left;
  std::string right;
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      merges.item(index).fail("expected two tokens with one space between, found \"" +
                              core::printable(text, 60) + '"');
    }
    left = text.substr(0, space);
    right = text.substr(space + 1);
  } else if (merge.is_array() && merge.size() == 2) {
    left = merges.item(index).item(0).text();
    right = merges.item(index).item(1).text();
  } else {
    merges.item(index).fail_type("\"left right\" or [\"left\", \"right\"]");
  }
  const std::int32_t left_id = required_id(merges, index, left);
  const std::int32_t right_id = required_id(merges, index, right);
  merges_.set(left_id, right_id, {rank, required_id(merges, index, left + right)});
}

std::int32_t ByteLevelBpe::required_id(const JsonView& merges, std::size_t index,
                                       const std::string& token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) {
    merges.item(index).fail("\"" + core::printable(token, 60) + "\" is not in the vocabulary");
  }
  return found->second;
}

void ByteLevelBpe::read_bytes(const JsonView& model) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto found = ids_.find(byte_alphabet()[byte]);
    byte_ids_[byte] = found == ids_.end() ? kNone : found->second;
  }
  if (const auto unknown = model.find("unk_token")) {
    const auto found = ids_.find(unknown->text());
    if (found == ids_.end()) unknown->fail("is not in the vocabulary");
    unknown_ = found->second;
  }
  fuse_unknown_ = model.flag("fuse_unk", false);
  // Without tokens such as <0x0A> a fallback to bytes never happens.
  const bool has_byte_tokens = std::any_of(ids_.begin(), ids_.end(), [](const auto& entry) {
    return entry.first.size() == 6 && entry.first.rfind("<0x", 0) == 0 && entry.first.back() == '>';
  });
  if (model.flag("byte_fallback", false) && has_byte_tokens) {
    model.at("byte_fallback")
        .fail("is not supported in a byte-level tokenizer with tokens such as <0x0A>");
  }
}

std::optional<std::int64_t> ByteLevelBpe::id(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

void ByteLevelBpe::encode(std::string_view word, Scratch& scratch,
                          std::vector<std::int64_t>& ids) const {
  if (!words_.empty()) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  start_symbols(word, scratch.symbols);
  merge_symbols(scratch);
  for (const Symbol& symbol : scratch.symbols) {
    if (symbol.alive) ids.push_back(symbol.id);
  }
}

void ByteLevelBpe::start_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  bool after_unknown = false;
  for (const char letter : word) {
    std::int32_t id = byte_ids_[static_cast<unsigned char>(letter)];
    const bool unknown = id == kNone;
    if (unknown) id = after_unknown && fuse_unknown_ ? kNone : unknown_;
    after_unknown = unknown;
    if (id == kNone) continue;  // without unk_token such a byte is left out, as Hugging Face does
    const auto position = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, position - 1, position + 1, true});
  }
  if (!symbols.empty()) symbols.back().next = kNone;
}

void ByteLevelBpe::propose(const std::vector<Symbol>& symbols, std::int32_t position,
                           std::vector<Candidate>& queue) const {
  const Symbol& left = symbols[static_cast<std::size_t>(position)];
  const Symbol& right = symbols[static_cast<std::size_t>(left.next)];
  if (const Merge* merge = merges_.find(left.id, right.id)) {
    queue.push_back({merge->rank, position, merge->result});
    std::push_heap(queue.begin(), queue.end(), later);
  }
}

void ByteLevelBpe::merge_symbols(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  queue.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
    propose(symbols, static_cast<std::int32_t>(i), queue);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    const Candidate best = queue.back();
    queue.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.position)];
    if (!left.alive || left.next == kNone) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    // Neighbours may have changed since; Hugging Face asks only whether the result is the same.
    const Merge* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->result != best.result) continue;
    left.id = best.result;
    left.next = right.next;
    right.alive = false;
    if (left.next != kNone) symbols[static_cast<std::size_t>(left.next)].previous = best.position;
    if (left.previous != kNone) propose(symbols, left.previous, queue);
    if (left.next != kNone) propose(symbols, best.position, queue);
  }
}

}  // namespace salf::data
