// Keys and values of the tokens that a decoder has read, so that it reads each token once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salf::ops {

// Of one text. A decoder reads it in passes of one or more tokens. In each pass, what attention
// takes for keys and values is appended to what it took at the same place of the passes before.
class KeyValueCache {
 public:
  // A pass over the next `tokens` tokens. While it lives, the calls of attention() and remembered()
  // on this thread work on the cache; each pass makes them in the same order. REQUIRES: one pass at
  // a time on a thread; after an exception the cache is forgotten
  class Pass {
   public:
    Pass(KeyValueCache& cache, std::int64_t tokens);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    KeyValueCache& cache_;
    std::int64_t tokens_;
  };
  // While it lives, this thread has no pass.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    KeyValueCache* cache_;
  };
  // That of the pass on this thread; null without one.
  static KeyValueCache* current();

  // Tokens of the passes that are over.
  std::int64_t tokens() const { return tokens_; }
  // x [1, H, n, C] → [1, H, tokens() + n, C]: all that came at this place of a pass.
  at::Tensor append(const at::Tensor& x);
  void forget();

  // What was kept does not hold for a text of the present length. The text has to be read again.
  void expire() { expired_ = true; }
  bool expired() const { return expired_; }

 private:
  std::vector<at::Tensor> kept_;  // [1, H, capacity, C] each, in the order of a pass
  std::size_t next_ = 0;          // place of the next call in the pass
  std::int64_t tokens_ = 0;
  bool expired_ = false;
};

// With a pass on this thread KeyValueCache::append(x), else x.
at::Tensor remembered(const at::Tensor& x);

}  // namespace salf::ops
