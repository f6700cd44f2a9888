#include "ops/key_value_cache.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "tensor/shapes.h"

namespace salf::ops {
namespace {

constexpr std::int64_t kLeastCapacity = 64;  // tokens

thread_local KeyValueCache* current_cache = nullptr;

}  // namespace

KeyValueCache::Pass::Pass(KeyValueCache& cache, std::int64_t tokens)
    : cache_(cache), tokens_(tokens) {
  cache_.next_ = 0;
  current_cache = &cache_;
}

KeyValueCache::Pass::~Pass() {
  current_cache = nullptr;
  cache_.tokens_ += tokens_;
}

KeyValueCache::Pause::Pause() : cache_(std::exchange(current_cache, nullptr)) {}

KeyValueCache::Pause::~Pause() { current_cache = cache_; }

KeyValueCache* KeyValueCache::current() { return current_cache; }

at::Tensor KeyValueCache::append(const at::Tensor& x) {
  tensor::check_shape(x, {1, tensor::kAny, tensor::kAny, tensor::kAny}, "keys or values");
  if (next_ == kept_.size()) kept_.emplace_back();
  at::Tensor& kept = kept_[next_++];
  const std::int64_t count = x.size(2), all = tokens_ + count;
  if (!kept.defined() || kept.size(2) < all) {
    const std::int64_t before = kept.defined() ? kept.size(2) : 0;
    const std::int64_t capacity = std::max({all, 2 * before, kLeastCapacity});
    at::Tensor larger = at::empty({1, x.size(1), capacity, x.size(3)}, x.options());
    if (tokens_ > 0) larger.narrow(2, 0, tokens_).copy_(kept.narrow(2, 0, tokens_));
    kept = std::move(larger);
  }
  kept.narrow(2, tokens_, count).copy_(x);
  return kept.narrow(2, 0, all);
}

void KeyValueCache::forget() {
  kept_.clear();
  next_ = 0;
  tokens_ = 0;
  expired_ = false;
}

at::Tensor remembered(const at::Tensor& x) {
  return current_cache == nullptr ? x : current_cache->append(x);
}

}  // namespace salf::ops
