// Text that a model writes behind a prompt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "generate/reader.h"
#include "generate/sampling.h"
#include "types/generation.h"

namespace salf::generate {

struct TextRequest {
  std::vector<std::int64_t> prompt;  // at least one token
  std::vector<std::int64_t> ends;    // tokens that end the text; they are no part of it
  std::int64_t tokens = 128;         // of the text at most
  Sampling sampling{};
  std::uint64_t seed = 1;
  std::function<void(const std::string&)> show{};  // called with each piece of the text
  std::function<bool()> keep_going{};              // asked before each token; false stops
};

// A new text of this reader. Throws Error(kUsage) for an empty prompt, or one that the model's
// context does not hold; Error(kBadModel) for logits that are not finite.
types::GeneratedText write_text(
    Reader& reader, const data::Tokenizer& tokenizer, const TextRequest& request);

}  // namespace salf::generate
