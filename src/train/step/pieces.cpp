#include "train/step/pieces.h"

#include <algorithm>
#include <map>
#include <utility>

namespace salf::train {
namespace {

// Large enough for the link, small enough that a piece travels while another one is summed.
constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;

std::int64_t rounded_up(std::int64_t count, std::int64_t unit) {
  return (count + unit - 1) / unit * unit;
}

// Ends with pieces of `most` elements, but for the last one.
class Cutter {
 public:
  Cutter(std::vector<Piece>& pieces, Piece like, std::int64_t most)
      : pieces_(pieces), like_(std::move(like)), most_(most) {}

  void add(std::size_t place, std::int64_t count) {
    for (std::int64_t from = 0; from < count;) {
      if (open_ == 0) pieces_.push_back(like_);
      const std::int64_t taken = std::min(count - from, most_ - open_);
      pieces_.back().segments.push_back({place, from, taken, open_});
      pieces_.back().length = open_ += taken;
      from += taken;
      if (open_ == most_) open_ = 0;
    }
  }

 private:
  std::vector<Piece>& pieces_;
  Piece like_;
  std::int64_t most_;
  std::int64_t open_ = 0;  // elements of the last piece, where it takes more
};

}  // namespace

std::vector<Piece> cut_into_pieces(const std::vector<model::Parameter>& trained,
    const std::set<std::string>& by_copies, std::int64_t ranks) {
  std::map<std::pair<c10::ScalarType, bool>, std::vector<std::size_t>> kinds;
  for (std::size_t place = trained.size(); place-- > 0;) {
    const model::Parameter& parameter = trained[place];
    kinds[{parameter.tensor.scalar_type(), by_copies.count(parameter.name) > 0}].push_back(place);
  }
  std::vector<Piece> pieces;
  const std::int64_t unit = ranks * kStretch;
  for (const auto& [kind, places] : kinds) {
    const std::int64_t bytes = unit * static_cast<std::int64_t>(c10::elementSize(kind.first));
    const std::int64_t most = std::max<std::int64_t>(1, kPieceBytes / bytes) * unit;
    Cutter cutter(pieces, {kind.first, kind.second, 0, {}}, most);
    for (const std::size_t place : places) cutter.add(place, trained[place].tensor.numel());
    if (!pieces.empty()) pieces.back().length = rounded_up(pieces.back().length, unit);
  }
  // A piece leaves when its last gradient is there, and keeps those behind it waiting.
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return a.segments.back().place > b.segments.back().place;
  });
  return pieces;
}

std::vector<Segment> part_of(const Piece& piece, std::int64_t rank, std::int64_t ranks) {
  const std::int64_t length = piece.length / ranks, begin = rank * length;
  std::vector<Segment> part;
  for (const Segment& segment : piece.segments) {
    const std::int64_t first = std::max(begin, segment.at);
    const std::int64_t end = std::min(begin + length, segment.at + segment.count);
    if (first < end)
      part.push_back(
          {segment.place, segment.from + first - segment.at, end - first, first - begin});
  }
  return part;
}

at::Tensor elements(const at::Tensor& tensor, const Segment& segment) {
  return tensor.view({-1}).narrow(0, segment.from, segment.count);
}

}  // namespace salf::train
