#include "data/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::filesystem::path golden(const char* name) {
  return std::filesystem::path(SALF_TEST_DATA) / "chat" / name;
}

std::vector<ChatMessage> messages_of(const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& message : conversation) {
    const std::string role = message["role"];
    messages.push_back({role == "user"     ? ChatRole::kUser
                        : role == "system" ? ChatRole::kSystem
                                           : ChatRole::kAssistant,
        message["content"]});
  }
  return messages;
}

const ChatFormat& format_named(const std::string& name) {
  static NamedFormat found;
  found = choose_chat_format(name, {});
  return found.format;
}

// Conversations that we refuse and Jinja does not: a system message where the format has none.
bool is_stricter(const std::string& format, const std::vector<ChatMessage>& messages) {
  bool late_system = false;
  for (std::size_t i = 1; i < messages.size(); ++i)
    late_system = late_system || messages[i].role == ChatRole::kSystem;
  return late_system && (format == "gemma" || format == "llama2" || format == "llama3.1" ||
                            format == "vicuna" || format == "alpaca");
}

// The text of a conversation, or "refused".
ChatText rendered(const std::string& format, const std::vector<ChatMessage>& messages) {
  try {
    return render_chat(format_named(format), messages, {"<s>", "</s>"}, "row 1");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
    return {"refused", {}};
  }
}

void expect_equal(const Json& expected, const std::string& format,
    const std::vector<ChatMessage>& messages, const Tokenizer& tokenizer) {
  const ChatText text = rendered(format, messages);
  if (expected.is_null()) {
    EXPECT_EQ(text.text, "refused") << format;
    return;
  }
  if (is_stricter(format, messages)) return;
  EXPECT_EQ(text.text, expected["text"].get<std::string>()) << format;
  EXPECT_EQ(encode_chat(text, tokenizer, 0).ids, expected["ids"].get<std::vector<std::int64_t>>())
      << format;
  const Json& begins = expected["answers"];
  ASSERT_EQ(text.answers.size(), begins.size()) << format;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    if (!begins[i].is_null()) {
      EXPECT_EQ(text.answers[i].begin, begins[i].get<std::size_t>()) << format << " " << i;
    }
  }
}

TEST(ChatTemplate, TextsAndIdsEqualApplyChatTemplate) {
  const Json expected = read_json(golden("golden.json"));
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  for (const Json& format : expected["formats"]) {
    for (std::size_t i = 0; i < expected["conversations"].size(); ++i) {
      SCOPED_TRACE("conversation " + std::to_string(i));
      expect_equal(format["results"][i], format["name"], messages_of(expected["conversations"][i]),
          *tokenizer);
    }
  }
}

TEST(ChatTemplate, EveryBuiltInFormatIsInTheGoldenFile) {
  std::vector<std::string> names;
  const Json expected = read_json(golden("golden.json"));
  for (const Json& format : expected["formats"]) names.push_back(format["name"]);
  EXPECT_THAT(chat_format_names(), ::testing::UnorderedElementsAreArray(names));
}

TEST(ChatTemplate, IsRecognisedInEverySpelling) {
  const Json expected = read_json(golden("golden.json"));
  for (const Json& format : expected["formats"]) {
    for (const Json& spelling : format["templates"]) {
      EXPECT_EQ(recognise_template(spelling).value_or("unknown: " + jinja_tokens(spelling)),
          format["name"]);
    }
  }
}

TEST(ChatTemplate, AnotherTextIsAnotherTemplate) {
  const std::string chatml = read_json(golden("golden.json"))["formats"][0]["templates"][0];
  ASSERT_EQ(recognise_template(chatml), "chatml");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = chatml;
    text.replace(text.find(from), from.size(), to);
    return recognise_template(text);
  };
  EXPECT_EQ(changed("<|im_end|>", "<|im_end|> "), std::nullopt);  // within a string
  EXPECT_EQ(changed("message['content']", "message['content'] | trim"), std::nullopt);
  EXPECT_EQ(changed("{% endfor %}", "{% endfor %} "), std::nullopt);  // output
  EXPECT_EQ(changed("{% endfor %}", "{% endfor %}\n"), "chatml");     // trim_blocks
  EXPECT_EQ(changed("{% endfor %}", "   {%- endfor -%}  \n "), "chatml");
  EXPECT_EQ(changed("'<|im_start|>'", "\"<|im_start|>\""), "chatml");
  EXPECT_EQ(recognise_template(""), std::nullopt);
  for (std::size_t length = 0; length < chatml.size(); ++length) {
    EXPECT_EQ(recognise_template(chatml.substr(0, length)), std::nullopt) << length;
  }
}

TEST(ChatTemplate, LossIsOnTheAnswersAndTheTokensThatEndThem) {
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  const auto loss_of = [&](const std::string& format) {
    const ChatText chat =
        rendered(format, {{ChatRole::kUser, "one"}, {ChatRole::kAssistant, "two three"},
                             {ChatRole::kUser, "four"}, {ChatRole::kAssistant, "five"}});
    const MarkedTokens tokens = encode_chat(chat, *tokenizer, 0);
    std::string text;
    for (std::size_t t = 0; t < tokens.ids.size(); ++t) {
      if (tokens.loss[t]) text += tokenizer->decode({tokens.ids[t]});
      if (t > 0 && tokens.loss[t - 1] && !tokens.loss[t]) text += "//";
    }
    return text;
  };
  EXPECT_EQ(loss_of("chatml"), "two three<|im_end|>//five<|im_end|>//");
  EXPECT_EQ(loss_of("llama2"), " two three </s>// five </s>");
  EXPECT_EQ(loss_of("llama3"), "two three<|eot_id|>//five<|eot_id|>");
  EXPECT_EQ(loss_of("mistral-v0.1"), "two three</s>//five</s>//");
  EXPECT_EQ(loss_of("gemma"), "two three<end_of_turn>//five<end_of_turn>//");
  EXPECT_EQ(loss_of("qwen3"), "two three<|im_end|>//<think>\n\n</think>\n\nfive<|im_end|>//");
  EXPECT_EQ(loss_of("phi3"), "two three<|end|>//five<|end|>//");
  EXPECT_EQ(loss_of("vicuna"), " two three</s>// five</s>");
}

std::string usage_error(const std::string& choice, const ModelTemplate& model) {
  try {
    choose_chat_format(choice, model);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(ChatTemplate, AnUnknownOneSaysHowToGiveAFormat) {
  EXPECT_THAT(usage_error("", {"{{ my own }}", "model/tokenizer_config.json"}),
      AllOf(HasSubstr("model/tokenizer_config.json"), HasSubstr("{{ my own }}"),
          HasSubstr("--chat-template NAME"), HasSubstr("chatml, smollm"), HasSubstr("JSON file")));
  EXPECT_THAT(
      usage_error("", {}), AllOf(HasSubstr("no chat template"), HasSubstr("--chat-template NAME")));
  EXPECT_THAT(usage_error("lama2", {}), HasSubstr("did you mean llama2?"));
}

TEST(ChatTemplate, RefusesWhatTheFormatDoesNotHave) {
  const auto refusal = [](const std::string& format, const std::vector<ChatMessage>& messages,
                           const SpecialTexts& special) {
    try {
      render_chat(format_named(format), messages, special, "a.jsonl:3");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const ChatMessage user{ChatRole::kUser, "u"}, system{ChatRole::kSystem, "s"},
      answer{ChatRole::kAssistant, "a"};
  EXPECT_THAT(
      refusal("gemma", {system, user}, {"<s>", "</s>"}), HasSubstr("a.jsonl:3: messages[0]: "));
  EXPECT_THAT(refusal("llama2", {user, user}, {"<s>", "</s>"}),
      HasSubstr("messages[1]: expected a message of the assistant"));
  EXPECT_THAT(refusal("llama2", {user, answer}, {"<s>", ""}), HasSubstr("{eos}"));
  EXPECT_THAT(refusal("chatml", {}, {}), HasSubstr("at least one message"));
}

class ModelTemplateTest : public TokenizerFiles {
 protected:
  ModelTemplate read() const { return read_model_template(folder_ / "tokenizer.json"); }
};

TEST_F(ModelTemplateTest, StandsBesideTheTokenizer) {
  EXPECT_EQ(read().text, "");
  write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(read().text, "one");
  EXPECT_THAT(read().where, HasSubstr("tokenizer_config.json"));
  write("tokenizer_config.json",
      R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "two"}]})");
  EXPECT_EQ(read().text, "two");
  write("chat_template.jinja", "three");
  EXPECT_EQ(read().text, "three");
}

TEST_F(ModelTemplateTest, RefusesWhatIsNoTemplate) {
  for (const char* config : {R"({"chat_template": 7})", R"({"chat_template": [7]})",
           R"({"chat_template": [{"name": "x"}, {}]})", R"({"chat_template": )"}) {
    write("tokenizer_config.json", config);
    EXPECT_THROW(read(), Error) << config;
  }
}

TEST_F(ModelTemplateTest, AFormatMayComeFromAFile) {
  write("mine.json",
      R"({"user_before": "U: ", "user_after": "\n", "assistant_before": "A:", "answer_lead": " ",
    "assistant_after": "{eos}\n"})");
  const NamedFormat mine = choose_chat_format((folder_ / "mine.json").string(), {});
  const ChatText chat = render_chat(
      mine.format, {{ChatRole::kUser, "x"}, {ChatRole::kAssistant, "y"}}, {"<s>", "</s>"}, "");
  EXPECT_EQ(chat.text, "U: x\nA: y</s>\n");
  ASSERT_EQ(chat.answers.size(), 1U);
  EXPECT_EQ(chat.text.substr(chat.answers[0].begin, chat.answers[0].end - chat.answers[0].begin),
      " y</s>");
  write("bad.json", R"({"user_begin": "U: "})");
  EXPECT_THROW(choose_chat_format((folder_ / "bad.json").string(), {}), Error);
  write("endless.json", R"({"user_before": "U: "})");
  EXPECT_THROW(choose_chat_format((folder_ / "endless.json").string(), {}), Error);
}

TEST_F(ModelTemplateTest, TruncatedJsonIsRefusedAtEveryByte) {
  const std::string config = R"({"bos_token": "<s>", "chat_template": "{{ messages }}"})";
  const std::string format =
      R"({"user_before": "U: ", "assistant_after": "{eos}", "system": "turn"})";
  const auto refused = [&](const auto& action, const std::string& name, std::size_t size) {
    try {
      action();
      ADD_FAILURE() << name << " was read with " << size << " bytes";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr(name)) << size;
    }
  };
  for (std::size_t size = 0; size < config.size(); ++size) {
    write("tokenizer_config.json", config.substr(0, size));
    refused([&] { read(); }, "tokenizer_config.json", size);
  }
  for (std::size_t size = 0; size < format.size(); ++size) {
    write("mine.json", format.substr(0, size));
    refused([&] { choose_chat_format((folder_ / "mine.json").string(), {}); }, "mine.json", size);
  }
}

}  // namespace
}  // namespace salf::data
