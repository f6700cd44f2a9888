// Conversations.
#include <algorithm>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/row_fields.h"

namespace salf::data {
namespace {

// More turns than any conversation has.
constexpr std::size_t kMostMessages = 10'000;

// ShareGPT's names, and those of transformers' templates.
struct RoleName {
  const char* given;
  const char* role;
};
constexpr RoleName kRoleNames[] = {{"system", "system"}, {"developer", "developer"},
    {"user", "user"}, {"human", "user"}, {"assistant", "assistant"}, {"gpt", "assistant"},
    {"chatgpt", "assistant"}, {"bot", "assistant"}, {"model", "assistant"},
    {"function_call", "assistant"}, {"tool_call", "assistant"}, {"tool", "tool"},
    {"observation", "tool"}, {"function", "tool"}, {"function_response", "tool"},
    {"tool_response", "tool"}, {"ipython", "tool"}};

// Keys with which a message says whether it carries loss, and the value that says so.
struct LossKey {
  const char* name;
  bool carries;
};
constexpr LossKey kLossKeys[] = {{"weight", true}, {"loss", true}, {"loss_weight", true},
    {"train", true}, {"training", true}, {"trainable", true}, {"is_train", true}, {"mask", false},
    {"masked", false}, {"no_loss", false}, {"ignore_loss", false}};

bool as_flag(const core::Json& value, const std::string& where) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number() && (value == 0.0 || value == 1.0)) return value == 1.0;
  core::throw_json_type(where, "0, 1, true or false (whether the message carries loss)", value);
}

// Moves the flags out of the message.
bool take_loss(core::Json& message, const std::string& where) {
  bool loss = true;
  for (const LossKey& key : kLossKeys) {
    const auto found = message.find(key.name);
    if (found == message.end()) continue;
    if (!found->is_null() && as_flag(*found, where + "." + key.name) != key.carries) loss = false;
    message.erase(found);
  }
  return loss;
}

void check_part(const core::Json& part, const std::string& where) {
  const core::Json* const text = core::find_member(part, "text");
  const core::Json* const type = core::find_member(part, "type");
  if (part.is_string()) return;
  if (!part.is_object())
    core::throw_json_type(where, "a part with \"type\": \"text\" and \"text\"", part);
  if (type != nullptr && type->is_string() && *type != "text") {
    refuse(where, "a part of the type \"" + core::printable(type->get<std::string>(), 40) +
                      "\" is not supported: only text is");
  }
  if (text == nullptr || !text->is_string())
    core::throw_json_type(where, "a part with \"type\": \"text\" and \"text\"", part);
}

void check_content(const core::Json& content, const std::string& where) {
  if (content.is_string() || content.is_null()) return;
  if (!content.is_array())
    core::throw_json_type(where, "a string or a list of text parts", content);
  for (std::size_t i = 0; i < content.size(); ++i)
    check_part(content[i], where + "[" + std::to_string(i) + "]");
}

void rename_key(core::Json& message, const char* from, const char* to) {
  const core::Json* const wanted = core::find_member(message, to);
  if (wanted != nullptr && !wanted->is_null()) return;
  const auto found = message.find(from);
  if (found == message.end()) return;
  core::Json value = std::move(*found);
  message.erase(found);
  message[to] = std::move(value);
}

// JSON in a string, as OpenAI writes arguments and LLaMA-Factory tools. Other strings stay.
core::Json parsed(const core::Json& value) {
  if (!value.is_string()) return value;
  try {
    core::Json json = core::parse_json(value.get<std::string>(), "");
    if (json.is_structured()) return json;
  } catch (const Error&) {  // the text is no JSON, and stays a text
  }
  return value;
}

core::Json as_tool_call(const core::Json& call, const std::string& where) {
  const core::Json* const name = core::find_member(call, "name");
  if (name == nullptr || !name->is_string())
    core::throw_json_type(where, "an object with name and arguments", call);
  core::Json function{{"name", *name}};
  const core::Json* const arguments = core::find_member(call, "arguments");
  function["arguments"] = arguments == nullptr ? core::Json::object() : parsed(*arguments);
  return {{"type", "function"}, {"function", std::move(function)}};
}

// OpenAI's former function_call, and the roles of that name, become tool_calls.
void read_function_call(
    core::Json& message, const std::string& given_role, const std::string& where) {
  core::Json calls = core::Json::array();
  const auto member = message.find("function_call");
  if (member != message.end()) {
    if (!holds_nothing(*member))
      calls.push_back(as_tool_call(parsed(*member), where + ".function_call"));
    message.erase(member);
  }
  if (given_role == "function_call" || given_role == "tool_call") {
    const core::Json content = parsed(message["content"]);
    const std::string place = where + ".content";
    if (content.is_array()) {
      for (const core::Json& call : content) calls.push_back(as_tool_call(call, place));
    } else {
      calls.push_back(as_tool_call(content, place));
    }
    message["content"] = "";
  }
  if (calls.empty()) return;
  core::Json& all = message["tool_calls"];
  if (!all.is_array()) all = core::Json::array();
  for (core::Json& call : calls) all.push_back(std::move(call));
}

ChatMessage parse_message(const core::Json& given, const std::string& where) {
  if (!given.is_object()) core::throw_json_type(where, "an object with role and content", given);
  ChatMessage message{given};
  core::Json& json = message.json;
  message.loss = take_loss(json, where);
  rename_key(json, "from", "role");
  rename_key(json, "value", "content");
  const core::Json* const role = core::find_member(json, "role");
  if (role == nullptr || role->is_null()) refuse(where, "expected a message with role (or from)");
  const std::string given_role = as_text(*role, where + ".role");
  const auto* const known = std::find_if(std::begin(kRoleNames), std::end(kRoleNames),
      [&](const RoleName& name) { return given_role == name.given; });
  if (known == std::end(kRoleNames)) {
    refuse(where,
        "expected the role system, developer, user, assistant or tool (ShareGPT: system, human, "
        "gpt, function_call or observation), got \"" +
            core::printable(given_role, 40) + "\"");
  }
  json["role"] = known->role;
  read_function_call(json, given_role, where);
  const core::Json* const content = core::find_member(json, "content");
  const core::Json* const calls = core::find_member(json, "tool_calls");
  const bool has_calls = calls != nullptr && !holds_nothing(*calls);
  if ((content == nullptr || content->is_null()) && !has_calls)
    refuse(where, "expected a message with content (or value)");
  if (has_calls && !calls->is_array())
    core::throw_json_type(where + ".tool_calls", "an array of calls", *calls);
  if (content != nullptr) check_content(*content, where + ".content");
  return message;
}

std::vector<ChatMessage> parse_list(const core::Json& list, const std::string& place) {
  if (!list.is_array()) core::throw_json_type(place, "an array of messages", list);
  if (list.empty() || list.size() > kMostMessages) {
    refuse(place, "expected 1 to " + std::to_string(kMostMessages) + " messages, got " +
                      std::to_string(list.size()));
  }
  std::vector<ChatMessage> messages;
  for (const core::Json& message : list)
    messages.push_back(parse_message(message, place + "[" + std::to_string(messages.size()) + "]"));
  return messages;
}

ChatMessage text_message(const char* role, const std::string& text) {
  return {core::Json{{"role", role}, {"content", text}}};
}

bool is_list(const core::Json* value) { return value != nullptr && value->is_array(); }

// Prompt and completion, one of them a list of messages. Only the completion carries loss.
std::optional<std::vector<ChatMessage>> parse_prompt_lists(RowFields& fields) {
  const char* const answer = fields.first_of({"completion", "response"});
  if (answer == nullptr || fields.find("prompt") == nullptr) return std::nullopt;
  if (!is_list(fields.find("prompt")) && !is_list(fields.find(answer))) return std::nullopt;
  const core::Json& prompt = *fields.use("prompt");
  const core::Json& completion = *fields.use(answer);
  std::vector<ChatMessage> messages =
      prompt.is_array()
          ? parse_list(prompt, fields.place("prompt"))
          : std::vector{text_message("user", as_text(prompt, fields.place("prompt")))};
  for (ChatMessage& message : messages) message.loss = false;
  if (!completion.is_array()) {
    messages.push_back(text_message("assistant", as_text(completion, fields.place(answer))));
    return messages;
  }
  for (ChatMessage& message : parse_list(completion, fields.place(answer)))
    messages.push_back(std::move(message));
  return messages;
}

// A list of objects, also as JSON in a string. Empty where there is none.
core::Json object_list(RowFields& fields, const char* key) {
  const core::Json* const given = fields.use(key);
  if (given == nullptr || holds_nothing(*given)) return core::Json::array();
  core::Json list = parsed(*given);
  if (!list.is_array()) core::throw_json_type(fields.place(key), "a list of objects", list);
  for (const core::Json& item : list) {
    if (!item.is_object()) core::throw_json_type(fields.place(key), "a list of objects", item);
  }
  return list;
}

// Functions without the object around them get it.
core::Json read_tools(RowFields& fields) {
  const bool has_tools = fields.find("tools") != nullptr && !holds_nothing(*fields.find("tools"));
  core::Json tools = object_list(fields, has_tools ? "tools" : "functions");
  for (core::Json& tool : tools) {
    if (!tool.contains("function") && tool.contains("name") && !tool.contains("type"))
      tool = core::Json{{"type", "function"}, {"function", tool}};
  }
  return tools;
}

}  // namespace

std::optional<Conversation> read_conversation(RowFields& fields) {
  std::optional<std::vector<ChatMessage>> messages;
  if (const char* const key = fields.first_of({"messages", "conversations", "conversation"})) {
    messages = parse_list(parsed(*fields.use(key)), fields.place(key));
  } else {
    messages = parse_prompt_lists(fields);
  }
  if (!messages) return std::nullopt;
  Conversation chat;
  const std::string first = messages->front().json["role"];
  if (first != "system" && first != "developer") {
    const std::string system = read_system(fields);
    if (!system.empty()) messages->insert(messages->begin(), text_message("system", system));
  }
  chat.messages = std::move(*messages);
  chat.tools = read_tools(fields);
  chat.documents = object_list(fields, "documents");
  if (const core::Json* const options = fields.use("chat_template_kwargs")) {
    chat.options = parsed(*options);
    if (!chat.options.is_object())
      core::throw_json_type(fields.place("chat_template_kwargs"), "an object", chat.options);
  }
  return chat;
}

}  // namespace salf::data
