// Which tokens does a word become? Byte pair encoding over the 256 bytes (Sennrich et al. 2016,
// Neural Machine Translation of Rare Words with Subword Units; Radford et al. 2019 for the byte
// level).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checked_json.h"

namespace salf::data {

// GPT-2's alphabet: every byte is written as one printable character.
// The bytes that `token` stands for, or nothing if it has characters that are not in the alphabet.
std::optional<std::string> bytes_of_token(std::string_view token);

// How bytes are written, one character (UTF-8) for each.
const std::array<std::string, 256>& byte_alphabet();

// A merge of two neighbours: the best (lowest) rank goes first.
struct Merge {
  std::int32_t rank = 0;
  std::int32_t result = 0;
};

// (left, right) -> Merge; built once, then only read.
class MergeTable {
 public:
  // Room for `count` merges.
  void reserve(std::size_t count);
  // A merge that is there already is replaced.
  void set(std::int32_t left, std::int32_t right, Merge merge);
  const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  std::size_t slot(std::uint64_t key) const;

  std::vector<Slot> slots_;  // a power of two, at most half full
};

// Thread-safe for concurrent encode(), with a scratch of its own for each.
class ByteLevelBpe {
 public:
  // Reads the "model" of a tokenizer.json. Throws Error(kBadInput), naming what is wrong or not
  // supported.
  explicit ByteLevelBpe(const JsonView& model);

  // A symbol of the word that is being merged; length 0: merged into the one before.
  struct Symbol {
    std::int32_t id, previous, next;
    bool alive;
  };
  struct Candidate {
    std::int32_t rank, position, result;
  };
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> queue;
  };
  // Appends the ids of `word`, bytes of one piece of the split text (less than 2^31).
  void encode(std::string_view word, Scratch& scratch, std::vector<std::int64_t>& ids) const;

  // id -> token as the file has it; nothing for the holes. The largest id is size() - 1.
  const std::vector<std::optional<std::string>>& tokens() const { return tokens_; }
  std::optional<std::int64_t> id(const std::string& token) const;

 private:
  void read_vocabulary(const JsonView& vocab);
  void read_merges(const JsonView& merges);
  void add_merge(const JsonView& merges, std::size_t index, std::int32_t rank);
  void read_bytes(const JsonView& model);
  std::int32_t required_id(const JsonView& merges, std::size_t index,
                           const std::string& token) const;
  void start_symbols(std::string_view word, std::vector<Symbol>& symbols) const;
  void merge_symbols(Scratch& scratch) const;
  void propose(const std::vector<Symbol>& symbols, std::int32_t position,
               std::vector<Candidate>& queue) const;

  std::vector<std::optional<std::string>> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::string, std::int32_t> words_;  // bytes -> id, where merges are ignored
  MergeTable merges_;
  std::array<std::int32_t, 256> byte_ids_{};  // kNone: the vocabulary has no such byte
  std::int32_t unknown_ = kNone;
  bool fuse_unknown_ = false;
  static constexpr std::int32_t kNone = -1;
};

}  // namespace salf::data
