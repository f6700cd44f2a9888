#include "ops/causal_attention.h"

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>

#include "ops/bf16_products.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kBlock = 64;            // queries of a block, keys of a panel
constexpr std::int64_t kTile = 16;             // of RowKernels::transpose
constexpr std::int64_t kMostPositions = 8192;  // of a segment, whose scores are held whole
constexpr std::int64_t kMostWidth = 256;

std::int64_t rounded_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

// One head of a segment: `length` rows of `width` elements.
struct Rows {
  Rows(const at::Tensor& x, const Segment& segment, std::int64_t head)
      : data(static_cast<BFloat16Bits*>(x.data_ptr()) + segment.row * x.stride(0) +
             head * x.stride(1) + segment.begin * x.stride(2)),
        stride(x.stride(2)), length(segment.length), width(x.size(3)) {}

  BFloat16Bits* row(std::int64_t i) const { return data + i * stride; }

  BFloat16Bits* data;
  std::int64_t stride, length, width;
};

const at::BFloat16* values(const BFloat16Bits* bits) {
  return reinterpret_cast<const at::BFloat16*>(bits);
}
const at::BFloat16* values(const std::vector<std::uint32_t>& words) {
  return reinterpret_cast<const at::BFloat16*>(words.data());
}

// c [m, n] = a [m, k] · b, or c + that; `b` in pairs of rows, n wide.
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const at::BFloat16* a,
    std::int64_t a_stride, const at::BFloat16* b, float* c, std::int64_t c_stride,
    bool add = false) {
  at::native::cpublas::brgemm(m, n, k, a_stride, n, c_stride, add, a, b, c, /*is_vnni=*/true);
}

// Rows `first` … of a head as right factors of products, with zeros up to `count` rows.
class Factors {
 public:
  // `count`: a multiple of kBlock.
  Factors(const Rows& from, std::int64_t first, std::int64_t count)
      : width_(rounded_up(from.width, 2 * kTile)), count_(count),
        rows_(static_cast<std::size_t>(count * width_), BFloat16Bits{0}) {
    const std::int64_t there = std::min(count, from.length - first);
    for (std::int64_t i = 0; i < there; ++i) {
      std::memcpy(rows_.data() + i * width_, from.row(first + i),
          static_cast<std::size_t>(from.width) * sizeof(BFloat16Bits));
    }
  }

  // [count, width]: the rows are summed over.
  std::vector<std::uint32_t> by_rows(std::int64_t width) const {
    std::vector<std::uint32_t> out(static_cast<std::size_t>(count_ / 2 * width));
    for (std::int64_t j = 0; j < count_ / 2; ++j) {
      const BFloat16Bits* const even = rows_.data() + 2 * j * width_;
      row_kernels().pair(even, even + width_, width, out.data() + j * width);
    }
    return out;
  }

  // [width, count], in panels of kBlock columns: the elements of a row are summed over.
  std::vector<std::uint32_t> by_elements() const {
    const std::int64_t pairs = width_ / 2;
    std::vector<std::uint32_t> out(static_cast<std::size_t>(count_ * pairs));
    const auto* const words = reinterpret_cast<const std::uint32_t*>(rows_.data());
    for (std::int64_t i = 0; i < count_; i += kTile) {
      std::uint32_t* const panel = out.data() + i / kBlock * kBlock * pairs + i % kBlock;
      for (std::int64_t j = 0; j < pairs; j += kTile)
        row_kernels().transpose(words + i * pairs + j, pairs, panel + j * kBlock, kBlock);
    }
    return out;
  }

  std::int64_t panel() const { return kBlock * width_; }  // elements

 private:
  std::int64_t width_, count_;
  std::vector<BFloat16Bits> rows_;
};

// A block of queries against the keys that they may see.
struct Block {
  std::int64_t first = 0, count = 0;  // queries
  std::int64_t keys = 0;              // a multiple of kBlock
  std::int64_t seen(std::int64_t i) const { return first + i + 1; }
};

template <class Work> void each_block(std::int64_t length, const Work& work) {
  for (std::int64_t first = 0; first < length; first += kBlock) {
    const std::int64_t count = std::min(kBlock, length - first);
    work(Block{first, count, rounded_up(first + count, kBlock)});
  }
}

// scores [count, keys] = rows · factorᵀ, a panel of keys at a time.
void score(const Block& block, const Rows& rows, const std::vector<std::uint32_t>& panels,
    std::int64_t panel, float* scores) {
  for (std::int64_t key = 0; key < block.keys; key += kBlock) {
    multiply(block.count, kBlock, rows.width, values(rows.row(block.first)), rows.stride,
        values(panels) + key / kBlock * panel, scores + key, block.keys);
  }
}

void store(const Block& block, const float* from, const Rows& to) {
  for (std::int64_t i = 0; i < block.count; ++i)
    row_kernels().narrow(from + i * to.width, to.width, to.row(block.first + i));
}

// `from` [kBlock, keys] → [keys, kBlock]
std::vector<std::uint32_t> turned(const std::vector<BFloat16Bits>& from, std::int64_t keys) {
  constexpr std::int64_t kPairs = kBlock / 2;
  std::vector<std::uint32_t> out(static_cast<std::size_t>(keys * kPairs));
  std::uint32_t tile[kTile * kTile];
  for (std::int64_t key = 0; key < keys; key += kTile) {
    for (std::int64_t first = 0; first < kPairs; first += kTile) {
      for (std::int64_t j = 0; j < kTile; ++j) {
        const BFloat16Bits* const even = from.data() + 2 * (first + j) * keys + key;
        row_kernels().pair(even, even + keys, kTile, tile + j * kTile);
      }
      row_kernels().transpose(tile, kTile, out.data() + key * kPairs + first, kPairs);
    }
  }
  return out;
}

struct Problem {
  at::Tensor q, k, v;  // [B, H, T, C], [B, G, T, C]
  float scale = 1.0F;
  std::vector<Segment> segments;

  std::int64_t group() const { return q.size(1) / k.size(1); }

  // work(segment, head of keys), in parallel.
  template <class Work> void each_head(const Work& work) const {
    const std::int64_t heads = k.size(1);
    const auto tasks = static_cast<std::int64_t>(segments.size()) * heads;
    at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task)
        work(segments[static_cast<std::size_t>(task / heads)], task % heads);
      at::native::cpublas::brgemm_release();
    });
  }

  // Σ e^score of the query: where it stands in `sums` [B, H, T].
  static float* sum(const at::Tensor& sums, const Segment& segment, std::int64_t head) {
    return sums.mutable_data_ptr<float>() + (segment.row * sums.size(1) + head) * sums.size(2) +
           segment.begin;
  }
};

std::vector<float> floats(std::int64_t count) {
  return std::vector<float>(static_cast<std::size_t>(count));
}

void forward_head(const Problem& problem, const Segment& segment, std::int64_t shared,
    const at::Tensor& y, const at::Tensor& sums) {
  const std::int64_t padded = rounded_up(segment.length, kBlock);
  const std::int64_t width = problem.q.size(3);
  const Factors keys(Rows(problem.k, segment, shared), 0, padded);
  const auto key_panels = keys.by_elements();
  const auto value_rows = Factors(Rows(problem.v, segment, shared), 0, padded).by_rows(width);
  std::vector<float> scores = floats(kBlock * padded), result = floats(kBlock * width);
  std::vector<BFloat16Bits> weights(static_cast<std::size_t>(kBlock * padded));
  for (std::int64_t i = 0; i < problem.group(); ++i) {
    const std::int64_t head = shared * problem.group() + i;
    const Rows queries(problem.q, segment, head), out(y, segment, head);
    float* const sum = Problem::sum(sums, segment, head);
    each_block(segment.length, [&](const Block& block) {
      score(block, queries, key_panels, keys.panel(), scores.data());
      for (std::int64_t r = 0; r < block.count; ++r) {
        sum[block.first + r] = row_kernels().attention(scores.data() + r * block.keys,
            block.seen(r), block.keys, problem.scale, weights.data() + r * block.keys);
      }
      multiply(block.count, width, block.keys, values(weights.data()), block.keys,
          values(value_rows), result.data(), width);
      store(block, result.data(), out);
    });
  }
}

struct Gradients {
  at::Tensor q, k, v;
};

// What a query head adds to the gradients of its keys and values.
class BackwardHead {
 public:
  BackwardHead(const Problem& problem, const Segment& segment, std::int64_t shared)
      : problem_(problem), segment_(segment), padded_(rounded_up(segment.length, kBlock)),
        width_(problem.q.size(3)), keys_(Rows(problem.k, segment, shared), 0, padded_),
        values_(Rows(problem.v, segment, shared), 0, padded_), key_panels_(keys_.by_elements()),
        value_panels_(values_.by_elements()), key_rows_(keys_.by_rows(width_)),
        scores_(floats(kBlock * padded_)), dweights_(floats(kBlock * padded_)),
        result_(floats(kBlock * width_)), dkeys_(floats(padded_ * width_)),
        dvalues_(floats(padded_ * width_)) {}

  void add(const Rows& queries, const Rows& y, const Rows& dy, const float* sum, const Rows& dq) {
    each_block(segment_.length, [&](const Block& block) {
      score(block, queries, key_panels_, keys_.panel(), scores_.data());
      score(block, dy, value_panels_, values_.panel(), dweights_.data());
      const auto cells = static_cast<std::size_t>(kBlock * block.keys);
      std::vector<BFloat16Bits> weights(cells), dscores(cells);  // zeros beyond the last query
      for (std::int64_t r = 0; r < block.count; ++r) {
        const std::int64_t row = block.first + r;
        const float shift = row_kernels().dot(dy.row(row), y.row(row), width_);
        row_kernels().attention_backward(scores_.data() + r * block.keys,
            dweights_.data() + r * block.keys, block.seen(r), block.keys, problem_.scale, sum[row],
            shift, weights.data() + r * block.keys, dscores.data() + r * block.keys);
      }
      multiply(block.count, width_, block.keys, values(dscores.data()), block.keys,
          values(key_rows_), result_.data(), width_);
      store(block, result_.data(), dq);
      accumulate(block, weights, dy, dvalues_.data());
      accumulate(block, dscores, queries, dkeys_.data());
    });
  }

  void finish(const Rows& dk, const Rows& dv) const {
    const Block all{0, segment_.length, padded_};
    store(all, dkeys_.data(), dk);
    store(all, dvalues_.data(), dv);
  }

 private:
  // sums [keys, C] += cellsᵀ · rows of the block
  void accumulate(const Block& block, const std::vector<BFloat16Bits>& cells, const Rows& rows,
      float* sums) const {
    const auto factor = Factors(rows, block.first, kBlock).by_rows(width_);
    multiply(block.keys, width_, kBlock, values(turned(cells, block.keys)), kBlock, values(factor),
        sums, width_, /*add=*/true);
  }

  const Problem& problem_;
  Segment segment_;
  std::int64_t padded_, width_;
  Factors keys_, values_;
  std::vector<std::uint32_t> key_panels_, value_panels_, key_rows_;
  std::vector<float> scores_, dweights_, result_, dkeys_, dvalues_;
};

// [B, H, T, C] that lies as [B, T, H, C].
at::Tensor empty_heads(const at::Tensor& like) {
  return at::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, like.options())
      .transpose(1, 2);
}

// The kernels read rows that do not overlap; those of an expanded tensor are one.
at::Tensor with_rows(const at::Tensor& x) {
  return x.stride(3) == 1 && x.stride(2) >= x.size(3) ? x : x.contiguous();
}

std::vector<Segment> unpacked(const std::vector<std::int64_t>& numbers) {
  std::vector<Segment> segments;
  for (std::size_t i = 0; i + 2 < numbers.size(); i += 3)
    segments.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  return segments;
}

struct CausalAttention : torch::autograd::Function<CausalAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
      const at::Tensor& v, double scale, const std::vector<std::int64_t>& segments) {
    const Problem problem{
        with_rows(q), with_rows(k), with_rows(v), static_cast<float>(scale), unpacked(segments)};
    const at::Tensor y = empty_heads(q);
    const at::Tensor sums = at::empty({q.size(0), q.size(1), q.size(2)}, at::kFloat);
    problem.each_head([&](const Segment& segment, std::int64_t shared) {
      forward_head(problem, segment, shared, y, sums);
    });
    context->save_for_backward({problem.q, problem.k, problem.v, y, sums});
    context->saved_data["scale"] = scale;
    context->saved_data["segments"] = segments;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const Problem problem{saved[0], saved[1], saved[2],
        static_cast<float>(context->saved_data["scale"].toDouble()),
        unpacked(context->saved_data["segments"].toIntVector())};
    const at::Tensor &y = saved[3], &sums = saved[4];
    const at::Tensor dy = with_rows(outer[0]);
    const Gradients made{empty_heads(problem.q), empty_heads(problem.k), empty_heads(problem.v)};
    problem.each_head([&](const Segment& segment, std::int64_t shared) {
      BackwardHead back(problem, segment, shared);
      for (std::int64_t i = 0; i < problem.group(); ++i) {
        const std::int64_t head = shared * problem.group() + i;
        back.add(Rows(problem.q, segment, head), Rows(y, segment, head), Rows(dy, segment, head),
            Problem::sum(sums, segment, head), Rows(made.q, segment, head));
      }
      back.finish(Rows(made.k, segment, shared), Rows(made.v, segment, shared));
    });
    return {made.q, made.k, made.v, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool has_causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const bool narrow = is_bfloat16_on_cpu(q) && is_bfloat16_on_cpu(k) && is_bfloat16_on_cpu(v);
  if (!narrow || !has_bf16_products() || q.dim() != 4 || k.dim() != 4 || v.dim() != 4) return false;
  const bool alike = k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) &&
                     q.size(3) == k.size(3) && k.size(1) > 0 && q.size(1) % k.size(1) == 0;
  const bool fits = q.size(3) % 2 == 0 && q.size(3) <= kMostWidth && q.size(2) <= kMostPositions;
  return alike && fits && q.numel() > 0;
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    double scale, const std::vector<Segment>& segments) {
  std::vector<std::int64_t> numbers;
  for (const Segment& segment : segments)
    numbers.insert(numbers.end(), {segment.row, segment.begin, segment.length});
  return CausalAttention::apply(q, k, v, scale, numbers);
}

}  // namespace salf::ops
