// How the trained weights are cut up for ranks: into pieces that travel together, of which each
// rank has one part.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "model/script_model.h"

namespace salf::train {

// Elements [from, from + count) of a parameter, which are [at, at + count) of a piece or a part.
struct Segment {
  std::size_t place = 0;  // of the parameter, in `trained`
  std::int64_t from = 0, count = 0, at = 0;
};

struct Piece {
  c10::ScalarType type = c10::ScalarType::Float;
  bool by_copies = false;   // steps read its weights by copies alone
  std::int64_t length = 0;  // zeros behind the last segment
  std::vector<Segment> segments;
};

// Norms are taken of so many elements at a time. Parts consist of whole stretches, and where these
// begin does not depend on the number of ranks.
inline constexpr std::int64_t kStretch = 8192;

// From the last parameter on, in whose order gradients are made, and in the order in which a
// backward pass completes them; elements of one type together, and of the parameters `by_copies`.
std::vector<Piece> cut_into_pieces(const std::vector<model::Parameter>& trained,
    const std::set<std::string>& by_copies, std::int64_t ranks);

// A rank's part: elements [rank, rank + 1) · length / ranks of the piece.
std::vector<Segment> part_of(const Piece& piece, std::int64_t rank, std::int64_t ranks);

// The elements of a segment, of a contiguous tensor like its parameter.
at::Tensor elements(const at::Tensor& tensor, const Segment& segment);

}  // namespace salf::train
