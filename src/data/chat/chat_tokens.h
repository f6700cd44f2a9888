// How does a rendered conversation become tokens, and which of them carry loss?
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

// The text is tokenised as a whole, as apply_chat_template() does: special tokens in it are special
// whoever wrote them, and no bos or eos is added. A token carries loss if any of its bytes is part
// of an answer; where the tokens' bytes are not the text's (a normaliser changed it), an answer
// begins and ends with the token at which the text up to there is tokenised otherwise than the
// whole. Of the tokens behind the first `limit` (0: none) it need not be known: they will be cut
// off.
MarkedTokens encode_chat(const ChatText& chat, const Tokenizer& tokenizer, std::size_t limit);

}  // namespace salf::data
