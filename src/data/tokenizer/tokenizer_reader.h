// How does the text of a tokenizer.json become a Tokenizer? What load_tokenizer() does with its
// files, for texts that are not files yet.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "data/tokenizer/tokenizer.h"

namespace salf::data {

// A text and the name that messages give it.
struct NamedText {
  std::string name;
  std::string text;
};

// `config` is the tokenizer_config.json, if any. Throws Error(kBadInput).
std::unique_ptr<Tokenizer> read_tokenizer(
    const NamedText& tokenizer, const std::optional<NamedText>& config);

}  // namespace salf::data
