// Rendered conversations as tokens.
#pragma once

#include <vector>

#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

// Ids, and for each whether it carries loss.
struct MarkedTokens {
  std::vector<std::int64_t> ids;
  std::vector<bool> loss;
};

// Tokenises the text as a whole, as apply_chat_template() does: special tokens in it are special
// whoever wrote them, and no bos or eos is added. A token carries loss if any of its bytes is part
// of an answer. Where a normaliser changed the text, an answer begins and ends at the first token
// that differs between the whole text and the text up to there. With `limit` > 0 the marks behind
// the first `limit` tokens may be missing, because these tokens will be cut off.
MarkedTokens encode_chat(const ChatText& chat, const Tokenizer& tokenizer, std::size_t limit);

}  // namespace salf::data
