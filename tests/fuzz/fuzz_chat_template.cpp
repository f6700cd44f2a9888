#include "data/chat/chat_template.h"
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using salf::testing::FuzzFolder;
  static const FuzzFolder folder;
  const std::string text(reinterpret_cast<const char*>(data), size);
  salf::data::recognise_template(text);
  folder.write("tokenizer_config.json", text);
  folder.write("format.json", text);
  salf::testing::attempt(
      [&] { salf::data::read_model_template(folder.path() / "tokenizer.json"); });
  salf::testing::attempt([&] {
    const auto chosen =
        salf::data::choose_chat_format((folder.path() / "format.json").string(), {});
    salf::data::render_chat(chosen.format,
        {{salf::data::ChatRole::kSystem, " a\n"}, {salf::data::ChatRole::kUser, "b"},
            {salf::data::ChatRole::kAssistant, "<think>c</think>\n d"}},
        {"<s>", "</s>"}, "row 1");
  });
  return 0;
}
