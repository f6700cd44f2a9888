// LoRA as the user asks for it: "r=16,alpha=32,targets=all-linear", and block ranges, "15-23".
#pragma once

#include "core/fields.h"

namespace salf::types {

// Blocks first … last, 0-based, both included.
struct BlockRange {
  std::int64_t first = 0, last = 0;

  bool holds(std::int64_t block) const { return first <= block && block <= last; }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"first"}.range(0, 1e5), self.first);
    visit(Field{"last"}.range(0, 1e5), self.last);
  }
};

// LoRA instead of, or beside, whole blocks above the cut.
struct LoraSettings {
  std::int64_t rank = 16;
  double alpha = 32.0;
  std::vector<std::string> targets{"all-linear"};  // or names of layers: q_proj
  bool rank_stabilized = false;                    // scale alpha/√rank instead of alpha/rank
  // Learning rate of B over that of A (LoRA+; Hayou et al. 2024, arXiv 2402.12354).
  double rate_ratio = 1.0;
  std::optional<BlockRange> blocks;  // that get branches; nothing: all above the cut
  std::optional<BlockRange> whole;   // blocks that are tuned as wholes instead

  bool adapts(std::int64_t block) const {
    return (!blocks || blocks->holds(block)) && !tunes_whole(block);
  }
  bool tunes_whole(std::int64_t block) const { return whole && whole->holds(block); }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"rank"}.range(1, 65536), self.rank);
    visit(Field{"alpha"}.positive(), self.alpha);
    visit("targets", self.targets);
    visit("rank_stabilized", self.rank_stabilized);
    visit(Field{"rate_ratio"}.range(1e-3, 1e4), self.rate_ratio);
    visit("blocks", self.blocks);
    visit("whole", self.whole);
  }
};

// Comma-separated: r=N; alpha=X (without it 2·r); targets=all-linear, or targets=NAME,NAME,…;
// rslora; ratio=X (LoRA+). Names without "=" that follow targets are further targets. Throws
// Error(kUsage) that quotes the text and lists the keys.
LoraSettings parse_lora(const std::string& text);

// "15-23" or "15". Throws Error(kUsage) naming `flag`.
BlockRange parse_blocks(const std::string& text, const std::string& flag);

// "LoRA r=16, …": rank, alpha, targets and every setting that is not the default.
std::string describe_lora(const LoraSettings& settings);

}  // namespace salf::types
