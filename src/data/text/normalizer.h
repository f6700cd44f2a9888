// How is text normalised before it is split? The normalizer of a tokenizer.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/rows/checked_json.h"
#include "data/text/normalizer_steps.h"

namespace salf::data {

struct NormalizedText {
  std::string_view text;
  std::size_t from_first = 0;  // bytes at its begin that come from the input's first character
};

// Where normal forms are kept; contents mean nothing between calls.
struct NormalizerBuffers {
  std::string current, next;
};

// Thread-safe for concurrent apply(), with buffers of its own for each.
class Normalizer {
 public:
  Normalizer() = default;
  // Throws Error(kBadInput), naming what is not supported.
  explicit Normalizer(const std::optional<JsonView>& normalizer);
  explicit Normalizer(NormalizerSteps steps) : steps_(std::move(steps)) {}

  // The normal form of `text` (valid UTF-8). It lives in `buffers` unless it is `text` itself.
  NormalizedText apply(std::string_view text, NormalizerBuffers& buffers) const;

 private:
  NormalizerSteps steps_;
};

}  // namespace salf::data
