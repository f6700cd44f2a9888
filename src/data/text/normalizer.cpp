#include "data/text/normalizer.h"

#include "data/text/utf8.h"

namespace salf::data {

Normalizer::Normalizer(const std::optional<JsonView>& normalizer) {
  if (normalizer) read_normalizer_steps(*normalizer, steps_);
}

NormalizedText Normalizer::apply(std::string_view text, NormalizerBuffers& buffers) const {
  NormalizedText result{text, text.empty() ? 0 : first_character(text).bytes};
  for (const auto& step : steps_) {
    if (!step->apply(result.text, buffers.next, result.from_first)) continue;
    buffers.current.swap(buffers.next);
    result.text = buffers.current;
  }
  return result;
}

}  // namespace salf::data
