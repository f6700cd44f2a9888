#include "data/tokenizer/bpe.h"

#include <algorithm>
#include <cstddef>

#include "data/text/utf8.h"
#include "data/tokenizer/byte_alphabet.h"

namespace salf::data {
namespace {

bool later(const ModelScratch::Candidate& a, const ModelScratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

void add_symbol(std::int32_t id, std::vector<ModelScratch::Symbol>& symbols) {
  const auto position = static_cast<std::int32_t>(symbols.size());
  symbols.push_back({id, position - 1, position + 1, true});
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  std::size_t size = 16;
  while (size < 2 * merges.size()) size *= 2;
  slots_.assign(size, Merge{-1, -1, -1, 0});
  for (const Merge& merge : merges) slots_[slot(merge.left, merge.right)] = merge;
}

std::size_t MergeTable::slot(std::int32_t left, std::int32_t right) const {
  const std::uint64_t mask = slots_.size() - 1;
  const std::uint64_t key =
      static_cast<std::uint64_t>(left) << 32U | static_cast<std::uint32_t>(right);
  std::uint64_t index = (key * 0x9E3779B97F4A7C15ULL) >> 20U & mask;  // Fibonacci hashing
  while (slots_[index].left >= 0 && (slots_[index].left != left || slots_[index].right != right)) {
    index = (index + 1) & mask;
  }
  return index;
}

const Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Merge& found = slots_[slot(left, right)];
  return found.left >= 0 ? &found : nullptr;
}

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, const BpeOptions& options)
    : TokenModel(std::move(vocabulary)), options_(options), merges_(merges) {
  index_units();
  if (!options_.whole_words) return;
  for (const auto& [token, id] : this->vocabulary().ids()) {
    if (!options_.byte_level) {
      words_.emplace(token, id);
    } else if (auto bytes = bytes_of_token(token)) {
      words_.emplace(std::move(*bytes), id);
    }
  }
}

void Bpe::index_units() {
  const auto id_of = [&](const std::string& token) {
    const auto id = vocabulary().id(token);
    return id ? static_cast<std::int32_t>(*id) : kNone;
  };
  for (std::size_t byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = id_of(options_.byte_level ? byte_alphabet()[byte]
                                                : fallback_token(static_cast<unsigned char>(byte)));
  }
  if (options_.byte_level) return;
  for (const auto& [token, id] : vocabulary().ids()) {
    if (token.empty()) continue;
    const Character first = first_character(token);
    if (first.bytes != token.size()) continue;
    if (first.code >= character_ids_.size()) character_ids_.resize(first.code + 1, kNone);
    character_ids_[first.code] = id;
  }
}

void Bpe::encode(
    std::string_view word, ModelScratch& scratch, std::vector<std::int64_t>& ids) const {
  if (!words_.empty()) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  auto& symbols = scratch.symbols;
  symbols.clear();
  start(word, symbols);
  if (symbols.empty()) return;
  symbols.back().next = kNone;
  merge_symbols(scratch);
  for (std::int32_t i = 0; i != kNone; i = symbols[static_cast<std::size_t>(i)].next) {
    ids.push_back(symbols[static_cast<std::size_t>(i)].id);
  }
}

// The id of a byte or character, or kNone.
std::int32_t Bpe::unit_id(std::string_view unit) const {
  if (options_.byte_level) return byte_ids_[static_cast<unsigned char>(unit[0])];
  const char32_t code = first_character(unit).code;
  return code < character_ids_.size() ? character_ids_[code] : kNone;
}

// Splits a word into bytes or characters. Without an unknown token, unknown units are left out, as
// in Hugging Face.
void Bpe::start(std::string_view word, std::vector<Symbol>& symbols) const {
  bool pending = false;  // an unknown token that is not written yet, as it may grow
  const auto flush = [&] {
    if (std::exchange(pending, false)) add_symbol(*options_.unknown, symbols);
  };
  while (!word.empty()) {
    const std::string_view unit =
        word.substr(0, options_.byte_level ? 1 : first_character(word).bytes);
    word.remove_prefix(unit.size());
    const std::int32_t id = unit_id(unit);
    if (id != kNone) {
      flush();
      add_symbol(id, symbols);
    } else if (!fall_back(unit, symbols) && options_.unknown) {
      // Fallback bytes come before a pending token, as in Hugging Face.
      if (!options_.fuse_unknown) flush();
      pending = true;
    }
  }
  flush();
}

bool Bpe::fall_back(std::string_view character, std::vector<Symbol>& symbols) const {
  if (options_.byte_level || !options_.byte_fallback) return false;
  for (const char byte : character) {
    if (byte_ids_[static_cast<unsigned char>(byte)] == kNone) return false;
  }
  for (const char byte : character)
    add_symbol(byte_ids_[static_cast<unsigned char>(byte)], symbols);
  return true;
}

void Bpe::propose(const std::vector<Symbol>& symbols, std::int32_t position,
    std::vector<Candidate>& queue) const {
  const Symbol& left = symbols[static_cast<std::size_t>(position)];
  const Symbol& right = symbols[static_cast<std::size_t>(left.next)];
  if (const Merge* merge = merges_.find(left.id, right.id)) {
    queue.push_back({merge->rank, position, merge->result});
    std::push_heap(queue.begin(), queue.end(), later);
  }
}

void Bpe::merge_symbols(ModelScratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  queue.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (const Merge* merge = merges_.find(symbols[i].id, symbols[i + 1].id)) {
      queue.push_back({merge->rank, static_cast<std::int32_t>(i), merge->result});
    }
  }
  std::make_heap(queue.begin(), queue.end(), later);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    const Candidate best = queue.back();
    queue.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.position)];
    if (!left.alive || left.next == kNone) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    // Neighbours may have changed since. Hugging Face checks only that the result is the same.
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
