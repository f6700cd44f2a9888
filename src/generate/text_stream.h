// The text of tokens that come one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace salf::generate {

// The pieces that it gives are, one after another, the text of the tokens behind those before.
class TextStream {
 public:
  // `before`: tokens that stand in front of the text, such as those of a prompt. `tokenizer` must
  // outlive this.
  TextStream(const data::Tokenizer& tokenizer, const std::vector<std::int64_t>& before);

  // What this token adds, in whole characters: the begin of one is held back until its end comes.
  std::string add(std::int64_t id);
  // What is still held back. Bytes that are no character became U+FFFD.
  std::string finish();

 private:
  std::string piece(bool everything);

  const data::Tokenizer& tokenizer_;
  std::vector<std::int64_t> shown_;  // the last tokens whose text was given
  std::vector<std::int64_t> open_;   // behind them, not given yet
};

}  // namespace salf::generate
