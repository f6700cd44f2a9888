#include <algorithm>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/chat/chat_template.h"
#include "data/chat/conversation.h"

namespace salf::data {
namespace {

constexpr const char* kSpace = " \t\r\n";
// Takes a content's place. A private-use character: no template changes it.
constexpr std::string_view kStandIn = "\xEE\x84\xA3";

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
      a.begin());
}

std::size_t common_suffix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t count = 0;
  while (count < most && a[a.size() - 1 - count] == b[b.size() - 1 - count]) ++count;
  return count;
}

// The text without a marker that began and did not end ("<|end|>\n<|").
std::string_view whole_markers(std::string_view text) {
  const std::size_t open = text.find_last_of("<[");
  if (open == std::string_view::npos) return text;
  const char close = text[open] == '<' ? '>' : ']';
  return text.find(close, open) == std::string_view::npos ? text.substr(0, open) : text;
}

// The length of `text` without the white space at its end, or all of it if there is nothing else.
std::size_t kept_length(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? text.size() : last + 1;
}

core::Json messages_json(const Conversation& conversation, std::size_t count) {
  core::Json list = core::Json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(conversation.messages[i].json);
  return list;
}

constexpr std::size_t kNone = static_cast<std::size_t>(-1);
// What the stand-in takes the place of: the whole message, its content, or the name of its call.
enum class StandIn { kMessage, kContent, kCall };
struct Place {
  std::size_t message = kNone;
  StandIn kind = StandIn::kMessage;
};

// Finds the answers of one conversation by rendering parts of it.
class AnswerFinder {
 public:
  AnswerFinder(const JinjaTemplate& jinja, const Conversation& conversation, core::Json variables,
      const std::string& full, const std::string& where)
      : jinja_(jinja), chat_(conversation), variables_(std::move(variables)), full_(full),
        where_(where) {}

  std::vector<ByteSpan> find() {
    std::vector<ByteSpan> answers;
    for (std::size_t i = 0; i < chat_.messages.size(); ++i) {
      const ChatMessage& message = chat_.messages[i];
      if (!is_assistant(message) || !message.loss) continue;
      const ByteSpan span = find_answer(i);
      if (span.begin < span.end) answers.push_back(span);
    }
    return answers;
  }

 private:
  static void put_stand_in(core::Json& message, StandIn kind) {
    if (kind == StandIn::kCall) {
      for (core::Json& call : message["tool_calls"]) {
        core::Json& function = call.contains("function") ? call["function"] : call;
        if (function.is_object()) function["name"] = std::string(kStandIn);
        return;
      }
    }
    if (kind == StandIn::kMessage) message = {{"role", message.at("role")}};
    message["content"] = std::string(kStandIn);
  }

  // The text of the first `count` messages, if the template makes one.
  std::optional<std::string> part(std::size_t count, bool prompt, Place stand_in = {}) {
    core::Json list = messages_json(chat_, count);
    if (stand_in.message < count) put_stand_in(list[stand_in.message], stand_in.kind);
    variables_["messages"] = std::move(list);
    variables_["add_generation_prompt"] = prompt;
    try {
      return jinja_.render(variables_).text;
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  ByteSpan find_answer(std::size_t index) {
    const auto before = part(index, true);
    const bool last = index + 1 == chat_.messages.size();
    const auto after = last ? std::optional(full_) : part(index + 1, false);
    const bool knows_begin = before && core::starts_with(full_, *before);
    const bool knows_end = after && core::starts_with(full_, *after) && after->size() > last_end_;
    ByteSpan span;
    if (!knows_begin || !knows_end) span = find_by_stand_in(index, before);
    if (knows_begin) span.begin = before->size();
    if (knows_end) {
      const std::size_t begin = std::min(span.begin, after->size());
      span.end = begin + kept_length(std::string_view(*after).substr(begin));
    }
    last_end_ = std::max(span.end, last_end_);
    return span;
  }

  static bool stands(const std::optional<std::string>& text) {
    return text && text->find(kStandIn) != std::string::npos;
  }

  ByteSpan find_by_stand_in(std::size_t index, const std::optional<std::string>& before) {
    for (const StandIn kind : {StandIn::kMessage, StandIn::kContent, StandIn::kCall}) {
      const auto other = part(chat_.messages.size(), false, {index, kind});
      if (!stands(other)) continue;
      const std::size_t begin = common_prefix(full_, *other);
      const std::size_t end = std::max(begin, full_.size() - common_suffix(full_, *other));
      const auto local = part(index + 1, false, {index, kind});
      return {begin_of_turn(index, before, begin), end + ending(local, end)};
    }
    refuse(where_, "messages[" + std::to_string(index) +
                       "]: what the assistant wrote cannot be found in the text that the chat "
                       "template makes; --train-on-prompt trains on all of it");
  }

  // Where the turn begins whose own text is at `content`, or before.
  std::size_t begin_of_turn(
      std::size_t index, const std::optional<std::string>& before, std::size_t content) {
    const std::string prompt = generation_prompt(index, before);
    if (!prompt.empty()) {
      const std::size_t place = full_.rfind(prompt, content);
      const bool fits = place != std::string::npos && place >= last_end_;
      return fits && place + prompt.size() <= content ? place + prompt.size() : content;
    }
    if (index == 0) return content;
    // Templates without a generation prompt: the turn follows the end of the message before it.
    const Place previous{index - 1, StandIn::kContent};
    const auto other = part(chat_.messages.size(), false, previous);
    const auto local = part(index, true, previous);
    if (!stands(other) || !stands(local)) return content;
    const std::size_t end = full_.size() - common_suffix(full_, *other);
    const std::string_view tail =
        std::string_view(*local).substr(local->find(kStandIn) + kStandIn.size());
    const bool fits = full_.compare(end, tail.size(), tail) == 0 && end + tail.size() <= content;
    return fits && end >= last_end_ ? end + tail.size() : content;
  }

  // The length of what ends the turn at `end`: what stands there both in the whole and in the text
  // that ends with the turn.
  std::size_t ending(const std::optional<std::string>& local, std::size_t end) const {
    std::string_view tail = std::string_view(full_).substr(end);
    if (!stands(local)) {  // as far as the first marker
      const std::size_t close = tail.find('>');
      return close == std::string_view::npos ? 0 : close + 1;
    }
    const std::string_view alone =
        std::string_view(*local).substr(local->find(kStandIn) + kStandIn.size());
    tail = tail.substr(0, common_prefix(tail, alone));
    return kept_length(tail.size() < alone.size() ? whole_markers(tail) : tail);
  }

  std::string generation_prompt(std::size_t index, const std::optional<std::string>& before) {
    const auto plain = part(index, false);
    if (!before || !plain || !core::starts_with(*before, *plain)) return "";
    return before->substr(plain->size());
  }

  const JinjaTemplate& jinja_;
  const Conversation& chat_;
  core::Json variables_;
  const std::string& full_;
  const std::string& where_;
  std::size_t last_end_ = 0;
};

// The text of a content, without the reasoning in front of it.
std::vector<std::string> content_texts(const core::Json& message) {
  std::vector<std::string> texts;
  const core::Json* const content = core::find_member(message, "content");
  if (content == nullptr || content->is_null()) return texts;
  if (content->is_string()) {
    const auto& text = content->get_ref<const std::string&>();
    const std::size_t thoughts = text.rfind("</think>");
    texts.push_back(thoughts == std::string::npos ? text : text.substr(thoughts + 8));
  } else {
    for (const core::Json& item : *content)
      texts.push_back(
          item.is_string() ? item.get<std::string>() : item.at("text").get<std::string>());
  }
  return texts;
}

std::vector<std::string> left_out_of(const std::string& text, const Conversation& conversation) {
  std::vector<std::string> places;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    for (const std::string& content : content_texts(conversation.messages[i].json)) {
      const std::size_t begin = content.find_first_not_of(kSpace);
      if (begin == std::string::npos) continue;
      const std::string words = content.substr(begin, content.find_last_not_of(kSpace) + 1 - begin);
      if (text.find(words) != std::string::npos) continue;
      places.push_back("messages[" + std::to_string(i) + "].content");
      break;
    }
  }
  return places;
}

// Text parts become one text.
core::Json joined_parts(core::Json message) {
  const auto content = message.find("content");
  if (content == message.end() || !content->is_array()) return message;
  std::string text;
  for (const core::Json& item : *content) {
    if (!text.empty()) text += '\n';
    text += item.is_string() ? item.get<std::string>() : item.at("text").get<std::string>();
  }
  *content = text;
  return message;
}

bool is_null_content(const core::Json& message) {
  const core::Json* const content = core::find_member(message, "content");
  return content == nullptr || content->is_null();
}

bool has_member(const core::Json& message, const char* key) {
  const core::Json* const member = core::find_member(message, key);
  return member != nullptr && !member->is_null() && !(member->is_structured() && member->empty()) &&
         *member != "";
}

}  // namespace

core::Json ChatTemplate::variables(const Conversation& conversation) const {
  core::Json values = core::Json::object();
  if (!special_.bos.empty()) values["bos_token"] = special_.bos;
  if (!special_.eos.empty()) values["eos_token"] = special_.eos;
  if (!special_.padding.empty()) values["pad_token"] = special_.padding;
  values.update(conversation.options);
  values["tools"] = conversation.tools.empty() ? core::Json() : conversation.tools;
  values["documents"] = conversation.documents.empty() ? core::Json() : conversation.documents;
  values["messages"] = messages_json(conversation, conversation.messages.size());
  values["add_generation_prompt"] = false;
  return values;
}

ChatText ChatTemplate::render_as_given(
    const Conversation& conversation, const std::string& where, Wanted wanted) const {
  core::Json values = variables(conversation);
  values["add_generation_prompt"] = wanted == Wanted::kPrompt;
  JinjaText full;
  try {
    full = jinja_.render(values);
  } catch (const Error& error) {
    refuse(where, "the chat template " + core::printable(name_) +
                      " refuses the conversation: " + error.what());
  }
  ChatText result{std::move(full.text), {}, {}};
  result.left_out = left_out_of(result.text, conversation);
  if (wanted != Wanted::kAnswers) return result;
  std::vector<const ChatMessage*> answers;
  for (const ChatMessage& message : conversation.messages) {
    if (is_assistant(message)) answers.push_back(&message);
  }
  if (jinja_.has_generation() && answers.size() == full.generated.size()) {
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]->loss) result.answers.push_back(full.generated[i]);
    }
  } else {
    result.answers = AnswerFinder(jinja_, conversation, values, result.text, where).find();
  }
  return result;
}

void ChatTemplate::name_reasoning(core::Json& message) const {
  constexpr const char* kUsual = "reasoning_content";
  if (!jinja_.mentions(kUsual) || has_member(message, kUsual)) return;
  for (const char* name : {"reasoning", "thinking"}) {
    if (!has_member(message, name) || jinja_.mentions(name)) continue;
    message[kUsual] = message[name];
    message.erase(name);
    return;
  }
}

ChatText ChatTemplate::render(
    const Conversation& conversation, const std::string& where, bool find_answers) const {
  return render_for(conversation, where, find_answers ? Wanted::kAnswers : Wanted::kText);
}

std::string ChatTemplate::render_prompt(
    const Conversation& conversation, const std::string& where) const {
  return render_for(conversation, where, Wanted::kPrompt).text;
}

ChatText ChatTemplate::render_for(
    const Conversation& conversation, const std::string& where, Wanted wanted) const {
  const auto needs = [&](const char* name, bool given) {
    if (given && !jinja_.mentions(name)) {
      refuse(where, std::string("the row has ") + name + ", and the chat template " +
                        core::printable(name_) +
                        " does not use them; take another template, or leave such rows out");
    }
  };
  needs("tools", !conversation.tools.empty());
  needs("documents", !conversation.documents.empty());
  Conversation chat = conversation;
  const bool knows_parts = jinja_.mentions("text");
  bool has_developer = false, has_null = false;
  for (ChatMessage& message : chat.messages) {
    needs("tool_calls", has_member(message.json, "tool_calls"));
    name_reasoning(message.json);
    if (!knows_parts) message.json = joined_parts(std::move(message.json));
    has_developer = has_developer || message.json.at("role") == "developer";
    has_null = has_null || is_null_content(message.json);
  }
  if (!has_developer && !has_null) return render_as_given(chat, where, wanted);
  try {
    ChatText text = render_as_given(chat, where, wanted);
    if (!has_developer || text.left_out.empty()) return text;
  } catch (const Error&) {  // refused: the other spelling may do
  }
  for (ChatMessage& message : chat.messages) {
    if (message.json.at("role") == "developer") message.json["role"] = "system";
    if (is_null_content(message.json)) message.json["content"] = "";
  }
  return render_as_given(chat, where, wanted);
}

std::vector<std::string> ChatTemplate::unknown_keys(const Conversation& conversation) const {
  std::vector<std::string> keys;
  for (const ChatMessage& given : conversation.messages) {
    core::Json message = given.json;
    name_reasoning(message);
    for (auto item = message.begin(); item != message.end(); ++item) {
      const std::string& key = item.key();
      if (key == "role" || key == "content" || jinja_.mentions(key)) continue;
      const std::string name = "messages[]." + key;
      const bool is_new = std::find(keys.begin(), keys.end(), name) == keys.end();
      if (is_new && has_member(message, key.c_str())) keys.push_back(name);
    }
  }
  return keys;
}

}  // namespace salf::data
