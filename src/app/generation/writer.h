// A session's model as it writes texts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/session/session.h"
#include "data/rows/prompts.h"
#include "generate/generate.h"

namespace salf::app {

struct GenerationOptions {
  std::int64_t tokens = 128;
  generate::Sampling sampling{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Generation");
    visit(Field{"tokens", "tokens to write at most"}.common().range(1, 1e7), self.tokens);
    generate::Sampling::fields(self.sampling, visit);
  }
};

class Writer {
 public:
  // `chat_template`: as in data::DataOptions; of conversations. `session` must outlive this and
  // have a tokenizer. Logs why the whole text is read for each token where it cannot be read in
  // pieces.
  Writer(const Session& session, const std::string& chat_template,
      generate::Reading how = generate::Reading::kInPieces);

  data::PromptMaker& prompts() { return prompts_; }
  bool cached() const { return reader_.in_pieces(); }

  // Stops at the tokenizer's end token, those of generation_config.json and the one that ends the
  // template's turns; where `keep_going` (asked before each token) is false; and at
  // core::stop_signal(). Throws as generate::write_text() does.
  types::GeneratedText write(const std::vector<std::int64_t>& prompt,
      const GenerationOptions& options, std::function<void(const std::string&)> show = {},
      std::function<bool()> keep_going = {});

 private:
  const Session& session_;
  data::PromptMaker prompts_;
  generate::Reader reader_;
  std::vector<std::int64_t> ends_;
};

}  // namespace salf::app
