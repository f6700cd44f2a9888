#include "data/chat/chat_template.h"
#include "data/chat/conversation.h"
#include "fuzz_input.h"

namespace {

salf::data::Conversation conversation() {
  salf::data::Conversation chat;
  for (const char* message :
      {R"({"role": "system", "content": " a\n"})", R"({"role": "user", "content": "b"})",
          R"({"role": "assistant", "content": "", "tool_calls": [{"type": "function",
              "function": {"name": "f", "arguments": {"x": [1, 2.5, null, "y"]}}}]})",
          R"({"role": "tool", "name": "f", "content": "c"})",
          R"({"role": "assistant", "content": "<think>c</think>\n d", "reasoning_content": "e"})"})
    chat.messages.push_back({salf::core::Json::parse(message)});
  chat.tools.push_back(salf::core::Json::parse(
      R"({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}})"));
  return chat;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using salf::testing::FuzzFolder;
  static const FuzzFolder folder;
  static const salf::data::Conversation chat = conversation();
  const std::string text(reinterpret_cast<const char*>(data), size);
  folder.write("tokenizer_config.json", text);
  salf::testing::attempt(
      [&] { salf::data::read_model_template(folder.path() / "tokenizer.json"); });
  salf::testing::attempt([&] {
    salf::data::ChatTemplate(text, "template", {"<s>", "</s>", ""}).render(chat, "row 1");
  });
  return 0;
}
