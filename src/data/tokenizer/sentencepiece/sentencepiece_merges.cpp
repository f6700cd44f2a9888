#include <algorithm>

#include "core/log.h"
#include "data/bad_input.h"
#include "data/text/utf8.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"

namespace salf::data {
namespace {

// Splitting a longer piece at every character takes too long. SentencePiece trains 16 characters.
constexpr std::size_t kLongestPiece = 512;

// Finds the two pieces of each merge.
class Splitter {
 public:
  Splitter(const SentencePieceModel& model, const std::string& file, bool normal_only)
      : model_(model), file_(file) {
    for (std::size_t i = 0; i < model.pieces.size(); ++i) {
      if (normal_only && model.pieces[i].type != PieceType::kNormal) continue;
      ids_.emplace(model.pieces[i].text, static_cast<std::int32_t>(i));
    }
  }

  // Appends the ways to merge two pieces into this one, the shortest left piece first.
  void split(std::size_t id, std::int32_t rank, std::vector<Merge>& merges) const {
    const std::string_view text = model_.pieces[id].text;
    if (text.size() > kLongestPiece) {
      refuse(file_, "pieces[" + std::to_string(id) + "] has " + std::to_string(text.size()) +
                        " bytes, expected at most " + std::to_string(kLongestPiece));
    }
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (!begins_character(text[i])) continue;
      const auto left = ids_.find(text.substr(0, i));
      if (left == ids_.end()) continue;
      const auto right = ids_.find(text.substr(i));
      if (right == ids_.end()) continue;
      merges.push_back({left->second, right->second, static_cast<std::int32_t>(id), rank});
    }
  }

  bool knows(std::size_t id) const { return ids_.count(model_.pieces[id].text) > 0; }

 private:
  const SentencePieceModel& model_;
  const std::string& file_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

void rank_by_place(std::vector<Merge>& merges) {
  for (std::size_t i = 0; i < merges.size(); ++i) merges[i].rank = static_cast<std::int32_t>(i);
}

}  // namespace

std::vector<Merge> merges_by_score(const SentencePieceModel& model, const std::string& file) {
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.pieces[i].type != PieceType::kUnused) continue;
    refuse(file, "pieces[" + std::to_string(i) + "]: \"" +
                     core::printable(model.pieces[i].text, 60) +
                     "\" is of the type UNUSED, which is not supported in BPE");
  }
  std::vector<float> scores;
  for (const Piece& piece : model.pieces) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  const Splitter splitter(model, file, true);
  std::vector<Merge> merges;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    if (!splitter.knows(i)) continue;
    const auto rank =
        std::lower_bound(scores.begin(), scores.end(), model.pieces[i].score, std::greater<>());
    splitter.split(i, static_cast<std::int32_t>(rank - scores.begin()), merges);
  }
  return merges;
}

std::vector<Merge> merges_by_id(const SentencePieceModel& model, const std::string& file) {
  const Splitter splitter(model, file, false);
  std::vector<Merge> merges;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) splitter.split(i, 0, merges);
  rank_by_place(merges);
  return merges;
}

std::vector<Merge> merges_by_scores(const SentencePieceModel& model, const std::string& file) {
  std::vector<Merge> merges = merges_by_id(model, file);
  const auto score = [&](std::int32_t id) {
    return model.pieces[static_cast<std::size_t>(id)].score;
  };
  std::stable_sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) {
    if (score(a.result) != score(b.result)) return score(a.result) > score(b.result);
    if (a.result != b.result) return a.result < b.result;
    return std::make_pair(score(a.left), score(a.right)) >
           std::make_pair(score(b.left), score(b.right));
  });
  rank_by_place(merges);
  return merges;
}

}  // namespace salf::data
