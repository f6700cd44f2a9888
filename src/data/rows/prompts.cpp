#include "data/rows/prompts.h"

#include <algorithm>
#include <utility>

#include "data/bad_input.h"
#include "data/chat/conversation.h"
#include "tensor/batch.h"

namespace salf::data {
namespace {

std::string content_text(const core::Json& message) {
  const core::Json* const content = core::find_member(message, "content");
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  for (const core::Json& part : *content) {
    if (!text.empty()) text += '\n';
    if (part.is_string()) text += part.get<std::string>();
    const core::Json* const inner = part.is_object() ? core::find_member(part, "text") : nullptr;
    if (inner != nullptr && inner->is_string()) text += inner->get<std::string>();
  }
  return text;
}

ChatMessage message(const char* role, const std::string& content) {
  return {core::Json{{"role", role}, {"content", content}}, true};
}

}  // namespace

std::string finished_prompt(std::string prompt) {
  if (!prompt.empty() && kBlank.find(prompt.back()) == std::string_view::npos) prompt += '\n';
  return prompt;
}

PromptMaker::PromptMaker(
    const Tokenizer& tokenizer, ModelTemplate model_template, std::string chat_template)
    : tokenizer_(tokenizer), model_template_(std::move(model_template)),
      choice_(std::move(chat_template)) {}

Prompt PromptMaker::plain(const std::string& text) const {
  return {begun(tokenizer_.encode(text)), text, std::nullopt};
}

Prompt PromptMaker::question(const std::string& text) {
  Conversation asked;
  asked.messages.push_back(message("user", text));
  return conversation(std::move(asked), "the prompt");
}

Prompt PromptMaker::row(const FileRow& row) {
  const RowText& text = row.text;
  if (!text.chat.messages.empty()) return conversation(text.chat, row.where);
  if (text.prompt.empty()) return plain(text.completion);
  Prompt prompt = plain(finished_prompt(text.prompt));
  prompt.text = text.prompt;
  if (!text.completion.empty()) prompt.reference = text.completion;
  return prompt;
}

Prompt PromptMaker::conversation(Conversation conversation, const std::string& where) {
  Prompt prompt;
  std::vector<ChatMessage>& messages = conversation.messages;
  if (is_assistant(messages.back())) {
    prompt.reference = content_text(messages.back().json);
    messages.pop_back();
  }
  if (messages.empty()) refuse(where, "the conversation has no message to answer");
  prompt.text = content_text(messages.back().json);
  prompt.ids = tokenizer_.encode(chat().render_prompt(conversation, where));
  return prompt;
}

std::optional<std::int64_t> PromptMaker::turn_end() {
  if (!chat_ && choice_.empty() && model_template_.text.empty()) return std::nullopt;
  Conversation short_one;
  short_one.messages = {message("user", "a"), message("assistant", "b")};
  try {
    return data::turn_end(chat().render(short_one, "the chat template"), tokenizer_);
  } catch (const Error&) {  // a template may want more than that
    return std::nullopt;
  }
}

const ChatTemplate& PromptMaker::chat() {
  if (!chat_)
    chat_.emplace(choose_chat_template(choice_, model_template_, special_texts(tokenizer_)));
  return *chat_;
}

std::vector<std::int64_t> PromptMaker::begun(std::vector<std::int64_t> ids) const {
  const auto bos = tokenizer_.bos_id();
  const bool has_it = !ids.empty() && ids.front() == bos;
  if (tokenizer_.add_bos() && bos && !has_it) ids.insert(ids.begin(), *bos);
  return ids;
}

std::optional<AskedDocument> last_answer(const Document& document, const Tokenizer& tokenizer) {
  const auto carries_loss = [&](std::size_t label) {
    return document.labels[label] != tensor::kNoLabel;
  };
  std::size_t end = document.labels.size();
  while (end > 0 && !carries_loss(end - 1)) --end;
  std::size_t begin = end;
  while (begin > 0 && carries_loss(begin - 1)) --begin;
  if (begin == 0) return std::nullopt;
  const auto at = [&](std::size_t place) {
    return document.ids.begin() + static_cast<std::ptrdiff_t>(place);
  };
  AskedDocument asked{{document.ids.begin(), at(begin + 1)}, {at(begin + 1), at(end + 1)}};
  if (plain_text(asked.answer, tokenizer).empty()) return std::nullopt;
  return asked;
}

std::string plain_text(const std::vector<std::int64_t>& ids, const Tokenizer& tokenizer) {
  std::vector<std::int64_t> kept;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(kept), [&](std::int64_t id) {
    return !tokenizer.is_special(id) && id != tokenizer.eos_id() && id != tokenizer.bos_id();
  });
  std::string text = tokenizer.decode(kept);
  text.erase(text.find_last_not_of(kBlank) + 1);
  return text.erase(0, std::min(text.find_first_not_of(kBlank), text.size()));
}

}  // namespace salf::data
