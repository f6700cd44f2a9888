#include "ops/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/searchsorted.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "ops/causal_attention.h"
#include "ops/key_value_cache.h"
#include "tensor/shapes.h"
#include "tensor/transfer.h"

namespace salf::ops {
namespace {

[[noreturn]] void refuse_segments(const std::string& problem) {
  throw Error(ErrorKind::kBadModel, "attention within segments: " + problem);
}

// The segments of `rows` rows of `length` positions.
std::vector<Segment> segments_of(
    const at::Tensor& offsets, std::int64_t rows, std::int64_t length) {
  const std::int64_t* begin = offsets.const_data_ptr<std::int64_t>();
  const std::int64_t count = offsets.size(0) - 1;
  std::vector<Segment> segments;
  segments.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    segments.push_back({begin[i] / length, begin[i] % length, begin[i + 1] - begin[i]});
    const Segment& made = segments.back();
    if (made.length < 1 || made.begin + made.length > length)
      refuse_segments("a segment should lie within one row of " + std::to_string(length) +
                      " positions, got " + std::to_string(begin[i]) + " to " +
                      std::to_string(begin[i + 1]));
  }
  if (begin[0] != 0 || begin[count] != rows * length) {
    refuse_segments("expected positions 0 to " + std::to_string(rows * length) + ", got " +
                    std::to_string(begin[0]) + " to " + std::to_string(begin[count]));
  }
  return segments;
}

std::vector<Segment> whole_rows(const at::Tensor& x) {
  std::vector<Segment> rows;
  for (std::int64_t row = 0; row < x.size(0); ++row) rows.push_back({row, 0, x.size(2)});
  return rows;
}

// [B, H, T, C] → one [1, H, S, C] a segment. The gradient of the pieces is one concatenation.
std::vector<at::Tensor> pieces_of(const at::Tensor& x, at::IntArrayRef lengths) {
  std::vector<at::Tensor> pieces = x.transpose(1, 2).flatten(0, 1).split_with_sizes(lengths, 0);
  for (at::Tensor& piece : pieces) piece = piece.transpose(0, 1).unsqueeze(0);
  return pieces;
}

std::optional<at::Tensor> part_of(const std::optional<at::Tensor>& mask, const Segment& segment) {
  if (!mask) return std::nullopt;
  at::Tensor part = *mask;
  if (part.dim() == 4 && part.size(0) > 1) part = part.narrow(0, segment.row, 1);
  for (const std::int64_t dimension : {-2, -1}) {
    if (part.size(dimension) > 1) part = part.narrow(dimension, segment.begin, segment.length);
  }
  return part;
}

// Where each position stands in its segment, [rows, length] i64 on the device. Only the segments'
// begins are sent to a GPU.
at::Tensor places_of(
    const at::Tensor& offsets, std::int64_t rows, std::int64_t length, c10::Device device) {
  const std::vector<Segment> segments = segments_of(offsets, rows, length);
  if (device.is_cpu()) {
    const at::Tensor places = at::empty({rows, length}, at::TensorOptions(at::kLong));
    std::int64_t* place = places.mutable_data_ptr<std::int64_t>();
    for (const Segment& segment : segments)
      for (std::int64_t t = 0; t < segment.length; ++t) *place++ = t;
    return places;
  }
  const at::Tensor begins =
      tensor::sent(tensor::pinned(offsets.sizes(), at::kLong).copy_(offsets), device);
  const at::Tensor all = at::arange(rows * length, begins.options());
  const at::Tensor own = at::searchsorted(begins, all, /*out_int32=*/false, /*right=*/true) - 1;
  return (all - begins.index_select(0, own)).view({rows, length});
}

void check_mask(const std::optional<at::Tensor>& mask, std::int64_t rows, std::int64_t length) {
  if (!mask) return;
  const auto fits = [](std::int64_t size, std::int64_t whole) {
    return size == 1 || size == whole;
  };
  const bool known = mask->dim() >= 2 && mask->dim() <= 4 && fits(mask->size(-1), length) &&
                     fits(mask->size(-2), length) && (mask->dim() < 4 || fits(mask->size(0), rows));
  if (!known) {
    refuse_segments("expected a mask [B, H, T, T] with T = " + std::to_string(length) + ", got " +
                    tensor::shape_text(*mask));
  }
}

// All of one type where one is bfloat16.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::optional<at::Tensor>& mask, double dropout, bool is_causal,
    std::optional<double> scale, bool grouped, const std::optional<at::Tensor>& segments) {
  if (is_causal && !mask && dropout == 0.0 && has_causal_attention(q, k, v)) {
    const double by_width = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
    return causal_attention(q, k, v, scale.value_or(by_width),
        segments ? segments_of(*segments, q.size(0), q.size(2)) : whole_rows(q));
  }
  if (!segments)
    return at::scaled_dot_product_attention(q, k, v, mask, dropout, is_causal, scale, grouped);
  tensor::check_shape(q, {tensor::kAny, tensor::kAny, tensor::kAny, tensor::kAny}, "queries");
  const std::int64_t rows = q.size(0), heads = q.size(1), length = q.size(2);
  tensor::check_shape(k, {rows, tensor::kAny, length, tensor::kAny}, "keys");
  tensor::check_shape(v, {rows, tensor::kAny, length, tensor::kAny}, "values");
  check_mask(mask, rows, length);
  const std::vector<Segment> parts = segments_of(*segments, rows, length);
  std::vector<std::int64_t> lengths;
  lengths.reserve(parts.size());
  for (const Segment& part : parts) lengths.push_back(part.length);
  const auto qs = pieces_of(q, lengths), ks = pieces_of(k, lengths), vs = pieces_of(v, lengths);
  std::vector<at::Tensor> results;
  results.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const at::Tensor result = at::scaled_dot_product_attention(
        qs[i], ks[i], vs[i], part_of(mask, parts[i]), dropout, is_causal, scale, grouped);
    results.push_back(result.squeeze(0).transpose(0, 1));  // [S, H, C]
  }
  return at::cat(results, 0).view({rows, length, heads, v.size(-1)}).transpose(1, 2);
}

// What the last `queries` of `keys` positions see in causal order, [queries, keys] bool. Nothing
// for a single query, which sees all.
std::optional<at::Tensor> seen_by_last(
    std::int64_t queries, std::int64_t keys, const at::Tensor& like) {
  if (queries == 1) return std::nullopt;
  return at::ones({queries, keys}, like.options().dtype(at::kBool)).tril(keys - queries);
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::optional<at::Tensor>& mask, double dropout, bool is_causal,
    std::optional<double> scale, bool grouped, const std::optional<at::Tensor>& segments) {
  const bool half = q.scalar_type() == at::kBFloat16 || k.scalar_type() == at::kBFloat16 ||
                    v.scalar_type() == at::kBFloat16;
  const auto cast = [half](const at::Tensor& x) { return half ? x.to(at::kBFloat16) : x; };
  const at::Tensor queries = cast(q), keys = remembered(cast(k)), values = remembered(cast(v));
  const auto masked = mask && half && mask->is_floating_point() ? cast(*mask) : mask;
  if (keys.size(2) == k.size(2)) {
    return attend(queries, keys, values, masked, dropout, is_causal, scale, grouped, segments);
  }
  return at::scaled_dot_product_attention(queries, keys, values,
      is_causal ? seen_by_last(q.size(2), keys.size(2), q) : masked, dropout, false, scale,
      grouped);
}

at::Tensor restart_positions(
    const at::Tensor& positions, const std::optional<at::Tensor>& segments) {
  if (!segments) return positions;
  const std::int64_t length = positions.size(-1);
  const std::int64_t all = segments->const_data_ptr<std::int64_t>()[segments->size(0) - 1];
  if (positions.dim() > 2 || length < 1 || all % length != 0) {
    refuse_segments("expected positions [B, T] of " + std::to_string(all) + " tokens, got " +
                    tensor::shape_text(positions));
  }
  const std::int64_t rows = all / length;
  return positions.expand({rows, length})
      .gather(1, places_of(*segments, rows, length, positions.device()));
}

}  // namespace salf::ops
