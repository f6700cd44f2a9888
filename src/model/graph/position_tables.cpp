#include "model/graph/position_tables.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "ops/key_value_cache.h"

namespace salf::model {
namespace {

constexpr std::int64_t kFirstLength = 64;

// Where the sizes of a value differ between texts of two lengths, which they must be there.
// Nothing where it is no tensor in one of them only.
std::optional<std::vector<std::int64_t>> length_dimensions(const c10::IValue& one,
    std::int64_t one_length, const c10::IValue& other, std::int64_t other_length) {
  std::vector<std::int64_t> dimensions;
  if (one.isNone() && other.isNone()) return dimensions;
  if (!one.isTensor() || !other.isTensor()) return std::nullopt;
  const at::Tensor &a = one.toTensor(), &b = other.toTensor();
  bool known = a.dim() == b.dim();
  for (std::int64_t d = 0; known && d < a.dim(); ++d) {
    if (a.size(d) == b.size(d)) continue;
    known = a.size(d) == one_length && b.size(d) == other_length;
    dimensions.push_back(d);
  }
  if (!known || dimensions.size() > 2)
    refuse("a value that depends on the number of tokens is no table of positions");
  return dimensions;
}

}  // namespace

PositionTables::PositionTables(Program program, std::vector<bool> for_attention,
    std::optional<std::size_t> mask_argument, std::int64_t longest)
    : program_(std::move(program)), for_attention_(std::move(for_attention)),
      mask_argument_(mask_argument), longest_(longest) {}

std::vector<c10::IValue> PositionTables::piece(const std::vector<c10::IValue>& arguments) const {
  ops::KeyValueCache* const cache = ops::KeyValueCache::current();
  const std::int64_t before = cache == nullptr ? 0 : cache->tokens();
  const std::int64_t count = arguments.at(0).toTensor().size(1), length = before + count;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (before == 0 || length > held_.length) {
    Tables exact = made(arguments, length);
    if (before > 0 && !begins_with(exact, held_)) cache->expire();
    const bool holds = length <= held_.length && begins_with(held_, exact);
    if (!holds) held_ = widened(arguments, std::move(exact));
  }
  std::vector<c10::IValue> values;
  values.reserve(held_.tables.size());
  for (std::size_t i = 0; i < held_.tables.size(); ++i)
    values.push_back(rows_of(held_.tables[i], i, before, count));
  return values;
}

// Tokens and states count by their shapes alone, so zeros stand for them. A program may ask a state
// behind some attention for its shape.
std::vector<c10::IValue> PositionTables::run(
    const std::vector<c10::IValue>& arguments, std::int64_t length) const {
  std::vector<c10::IValue> whole = arguments;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (!whole[i].isTensor() || whole[i].toTensor().dim() < 2) continue;
    const at::Tensor& given = whole[i].toTensor();
    std::vector<std::int64_t> sizes = given.sizes().vec();
    sizes[1] = length;
    const bool mask = mask_argument_ && i + 1 == *mask_argument_;
    whole[i] = at::full({1}, mask ? 1 : 0, given.options()).expand(sizes);
  }
  const ops::KeyValueCache::Pause pause;
  return program_.run(std::move(whole));
}

PositionTables::Tables PositionTables::made(
    const std::vector<c10::IValue>& arguments, std::int64_t length) const {
  std::vector<c10::IValue> values = run(arguments, length);
  for (const std::int64_t other : {length - 1, length + 1}) {
    if (other < 1 || other > longest_) continue;
    const std::vector<c10::IValue> others = run(arguments, other);
    Tables made{length, {}};
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto lengths = length_dimensions(values[i], length, others[i], other);
      if (!lengths) break;
      made.tables.push_back({values[i], *lengths});
    }
    if (made.tables.size() == values.size()) return made;
  }
  refuse("the rows of masks for " + std::to_string(length) + " tokens cannot be told");
}

PositionTables::Tables PositionTables::widened(
    const std::vector<c10::IValue>& arguments, Tables exact) const {
  std::int64_t length = kFirstLength;
  while (length < exact.length) length *= 2;
  length = std::min(length, longest_);
  if (length <= exact.length) return exact;
  try {
    Tables longer = made(arguments, length);
    return begins_with(longer, exact) ? longer : exact;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kMemory) throw;
    return exact;  // the model may not take more tokens
  }
}

c10::IValue PositionTables::rows_of(
    const Table& table, std::size_t index, std::int64_t before, std::int64_t count) const {
  if (!table.value.isTensor() || table.lengths.empty()) return table.value;
  const at::Tensor& value = table.value.toTensor();
  const std::int64_t first = table.lengths.front();
  const bool one_row = for_attention_[index] && first == value.dim() - 1 && first > 0;
  if (table.lengths.size() == 1 && one_row) return value.narrow(first, 0, before + count);
  const at::Tensor rows = value.narrow(first, before, count);
  return table.lengths.size() == 1 ? rows : rows.narrow(table.lengths[1], 0, before + count);
}

bool PositionTables::begins_with(const Tables& longer, const Tables& shorter) {
  constexpr double kRelative = 1e-5, kAbsolute = 1e-6;  // of the last digits of sines
  if (longer.tables.size() != shorter.tables.size()) return false;
  for (std::size_t i = 0; i < longer.tables.size(); ++i) {
    const Table &one = longer.tables[i], &other = shorter.tables[i];
    // A window is a mask in long texts, and none in texts that it spans.
    if (!one.value.isTensor() || !other.value.isTensor()) continue;
    at::Tensor begin = one.value.toTensor();
    for (const std::int64_t d : one.lengths) begin = begin.narrow(d, 0, shorter.length);
    if (begin.sizes() != other.value.toTensor().sizes()) return false;
    if (!at::allclose(begin, other.value.toTensor(), kRelative, kAbsolute)) return false;
  }
  return true;
}

}  // namespace salf::model
