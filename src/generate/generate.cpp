#include "generate/generate.h"

#include <algorithm>

#include "core/clock.h"
#include "core/error.h"
#include "generate/text_stream.h"

namespace salf::generate {
namespace {

// The rows of a padded head beyond the tokenizer's ids stand for nothing.
at::Tensor known(const at::Tensor& logits, const data::Tokenizer& tokenizer) {
  return logits.narrow(0, 0, std::min(logits.size(0), tokenizer.vocabulary_size()));
}

void show(const TextRequest& request, const std::string& piece, types::GeneratedText& made) {
  made.text += piece;
  if (request.show && !piece.empty()) request.show(piece);
}

}  // namespace

types::GeneratedText write_text(
    Reader& reader, const data::Tokenizer& tokenizer, const TextRequest& request) {
  if (request.prompt.empty()) {
    throw Error(ErrorKind::kUsage,
        "the prompt has no tokens, and the tokenizer puts none in front of a text; give a prompt");
  }
  const core::Stopwatch watch;
  core::Random random(request.seed, "generate");
  TextStream text(tokenizer, request.prompt);
  types::GeneratedText made;
  made.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  reader.restart();
  std::vector<std::int64_t> next = request.prompt;
  for (;;) {
    if (made.tokens == request.tokens) break;
    if (made.tokens > 0 && reader.tokens() == reader.longest()) {
      made.end = types::TextEnd::kContext;
      break;
    }
    if (request.keep_going && !request.keep_going()) {
      made.end = types::TextEnd::kStopped;
      break;
    }
    const std::int64_t id =
        next_token(known(reader.read(next), tokenizer), request.sampling, random);
    if (made.tokens == 0) made.prompt_seconds = watch.seconds();
    if (std::find(request.ends.begin(), request.ends.end(), id) != request.ends.end()) {
      made.end = types::TextEnd::kEnd;
      break;
    }
    ++made.tokens;
    show(request, text.add(id), made);
    next = {id};
  }
  show(request, text.finish(), made);
  made.seconds = watch.seconds();
  return made;
}

}  // namespace salf::generate
