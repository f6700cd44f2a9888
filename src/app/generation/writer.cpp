#include "app/generation/writer.h"

#include <set>
#include <utility>

#include "core/log.h"
#include "core/signals.h"
#include "data/tokenizer/side_files.h"

namespace salf::app {
namespace {

// Of a model that does not say how long its texts may be.
constexpr std::int64_t kLongestText = 1LL << 20U;

std::int64_t longest_text(const Session& session) {
  return session.files.card.context > 0 ? session.files.card.context : kLongestText;
}

std::vector<std::int64_t> end_tokens(const Session& session, data::PromptMaker& prompts) {
  std::set<std::int64_t> ends;
  for (const auto& file : {session.files.archive, session.files.tokenizer}) {
    for (const std::int64_t id : data::read_end_ids(file.parent_path())) ends.insert(id);
  }
  if (const auto eos = session.tokenizer->eos_id()) ends.insert(*eos);
  if (const auto turn_end = prompts.turn_end()) ends.insert(*turn_end);
  return {ends.begin(), ends.end()};
}

}  // namespace

Writer::Writer(const Session& session, const std::string& chat_template, generate::Reading how)
    : session_(session), prompts_(*session.tokenizer,
                             data::read_model_template(session.files.tokenizer), chat_template),
      reader_(*session.graph, longest_text(session), how), ends_(end_tokens(session, prompts_)) {
  if (!reader_.reason().empty()) {
    core::log_info("no key-value cache, the whole text is read for each token: " +
                   core::printable(reader_.reason(), 500));
  }
}

types::GeneratedText Writer::write(const std::vector<std::int64_t>& prompt,
    const GenerationOptions& options, std::function<void(const std::string&)> show,
    std::function<bool()> keep_going) {
  generate::TextRequest request;
  request.prompt = prompt;
  request.ends = ends_;
  request.tokens = options.tokens;
  request.sampling = options.sampling;
  request.seed = session_.seed();
  request.show = std::move(show);
  request.keep_going = [&keep_going] {
    return core::stop_signal() == 0 && (!keep_going || keep_going());
  };
  return generate::write_text(reader_, *session_.tokenizer, request);
}

}  // namespace salf::app
