#include "data/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/chat/conversation.h"
#include "data/rows/row_file.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::filesystem::path golden(const char* name) {
  return std::filesystem::path(SALF_TEST_DATA) / "chat" / name;
}

const SpecialTexts kSpecial{"<s>", "</s>", "<pad>"};

Conversation conversation_of(const Json& row) {
  return parse_row(row.is_array() ? Json{{"messages", row}} : row, "row 1").chat;
}

// The text of a conversation, or "refused".
ChatText rendered(const ChatTemplate& chat, const Conversation& conversation) {
  try {
    return chat.render(conversation, "row 1");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
    return {"refused", {}, {error.what()}};
  }
}

void expect_equal(const Json& expected, const ChatTemplate& chat, const Conversation& conversation,
    const Tokenizer& tokenizer) {
  const ChatText text = rendered(chat, conversation);
  if (expected.is_null()) {
    EXPECT_EQ(text.text, "refused");
    return;
  }
  EXPECT_EQ(text.text, expected["text"].get<std::string>());
  EXPECT_EQ(encode_chat(text, tokenizer, 0).ids, expected["ids"].get<std::vector<std::int64_t>>());
  const Json& begins = expected["answers"];
  ASSERT_EQ(text.answers.size(), begins.size());
  for (std::size_t i = 0; i < begins.size(); ++i) {
    if (!begins[i].is_null()) {
      EXPECT_EQ(text.answers[i].begin, begins[i].get<std::size_t>()) << i;
    }
  }
}

TEST(ChatTemplate, TextsAndIdsEqualApplyChatTemplate) {
  const Json expected = read_json(golden("golden.json"));
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  for (const Json& format : expected["formats"]) {
    for (const Json& spelling : format["templates"]) {
      const ChatTemplate chat(spelling, format["name"], kSpecial);
      for (std::size_t i = 0; i < expected["conversations"].size(); ++i) {
        SCOPED_TRACE(chat.name() + ", conversation " + std::to_string(i));
        expect_equal(
            format["results"][i], chat, conversation_of(expected["conversations"][i]), *tokenizer);
      }
    }
  }
}

std::string undated(std::string text) {
  const std::time_t now = std::time(nullptr);
  for (const char* form : {"%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%Y年%m月%d日"}) {
    char date[64];
    date[std::strftime(date, sizeof date, form, std::localtime(&now))] = '\0';
    for (std::size_t at = text.find(date); at != std::string::npos; at = text.find(date, at + 4))
      text.replace(at, std::string(date).size(), "DATE");
  }
  return text;
}

// Functionary v3.1 marks strings as safe, after which Python escapes what is added to them as HTML.
bool is_known_difference(const std::string& file, const Json& row) {
  return file == "meetkai-functionary-medium-v3.1.jinja" && row.contains("tools");
}

// 70 templates of current models, as they lie beside the engine's sources.
TEST(ChatTemplate, CurrentTemplatesEqualApplyChatTemplate) {
  const std::filesystem::path folder(SALF_CHAT_TEMPLATES);
  const Json expected =
      read_json(std::filesystem::path(SALF_TEST_DATA) / "chat_templates" / "golden.json");
  for (const Json& entry : expected["templates"]) {
    const std::string file = entry["file"];
    const ChatTemplate chat(core::read_file(folder / file, 1U << 20U), file, kSpecial);
    for (std::size_t i = 0; i < entry["results"].size(); ++i) {
      const Json& result = entry["results"][i];
      const Json& row = expected["conversations"][i];
      // Templates that do not know text parts print them as Python does.
      const bool knows_parts = chat.source().find("'text'") != std::string::npos ||
                               chat.source().find("\"text\"") != std::string::npos;
      if (row.contains("developer") || is_known_difference(file, row)) continue;
      if (row.contains("parts") && !knows_parts) continue;
      const ChatText text = rendered(chat, conversation_of(row));
      if (const char* texts = std::getenv("SALF_WRITE_CHAT_TEXTS")) {
        core::write_file_atomically(
            std::filesystem::path(texts) /
                (std::filesystem::path(file).stem().string() + "." + std::to_string(i) + ".txt"),
            text.text == "refused" ? "RAISED " + text.left_out.at(0) : undated(text.text));
      }
      // Where Python raises, the engine may go on. Tools that the template does not use are
      // refused.
      if (result.is_null() ||
          (text.text == "refused" && text.left_out.at(0).find("does not use") != std::string::npos))
        continue;
      EXPECT_EQ(core::sha256(undated(text.text)), result["sha256"]) << file << " " << i;
      if (chat.source().find("endgeneration") != std::string::npos) continue;
      for (std::size_t k = 0;
           k < text.answers.size() && text.answers.size() == result["begins"].size(); ++k) {
        if (!result["begins"][k].is_null()) {
          EXPECT_EQ(text.answers[k].begin, result["begins"][k]) << file << " " << i << " " << k;
        }
      }
    }
  }
}

TEST(ChatTemplate, LossIsOnTheAnswersAndTheTokensThatEndThem) {
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  const auto loss_of = [&](const std::string& name) {
    const ChatTemplate chat = choose_chat_template(name, {}, kSpecial);
    const ChatText text =
        rendered(chat, conversation_of(Json::parse(R"([{"role": "user", "content": "one"},
            {"role": "assistant", "content": "two three"}, {"role": "user", "content": "four"},
            {"role": "assistant", "content": "five"}])")));
    std::string marked;
    for (const ByteSpan& answer : text.answers)
      marked += text.text.substr(answer.begin, answer.end - answer.begin) + "//";
    return marked;
  };
  EXPECT_EQ(loss_of("chatml"), "two three<|im_end|>//five<|im_end|>//");
  EXPECT_EQ(loss_of("llama2"), " two three </s>// five </s>//");
  EXPECT_EQ(loss_of("llama3"), "two three<|eot_id|>//five<|eot_id|>//");
  EXPECT_EQ(loss_of("mistral-v0.1"), "two three</s>//five</s>//");
  EXPECT_EQ(loss_of("gemma"), "two three<end_of_turn>//five<end_of_turn>//");
  EXPECT_EQ(loss_of("qwen3"), "two three<|im_end|>//<think>\n\n</think>\n\nfive<|im_end|>//");
  EXPECT_EQ(loss_of("phi3"), "two three<|end|>//five<|end|>\n</s>//");
  EXPECT_EQ(loss_of("vicuna"), " two three</s>// five</s>//");
}

ChatTemplate with_generation() {
  return {
      "{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}"
      "{% generation %}{{ m.content }};{% endgeneration %}{% else %}{{ m.content }};{% endif %}"
      "{% endfor %}",
      "mine", kSpecial};
}

TEST(ChatTemplate, GenerationBlocksAreTheAnswers) {
  const Conversation chat = conversation_of(Json::parse(
      R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0},
          {"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}])"));
  const ChatText text = with_generation().render(chat, "row 1");
  EXPECT_EQ(text.text, "user: q;assistant: a;user: r;assistant: b;");
  ASSERT_EQ(text.answers.size(), 1U);
  EXPECT_EQ(text.text.substr(text.answers[0].begin), "b;");
}

TEST(ChatTemplate, WhatTheTemplateDoesNotKnowIsNamed) {
  const ChatTemplate chat = choose_chat_template("chatml", {}, kSpecial);
  const auto refusal = [&](const char* row) {
    return rendered(chat, conversation_of(Json::parse(row))).left_out;
  };
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": "q"}],
                          "tools": [{"name": "f"}]})"),
      ElementsAre(AllOf(HasSubstr("row 1: "), HasSubstr("tools"), HasSubstr("chatml"))));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "assistant", "content": "",
                          "tool_calls": [{"function": {"name": "f"}}]}]})"),
      ElementsAre(HasSubstr("tool_calls")));
  const Conversation extra = conversation_of(Json::parse(
      R"([{"role": "user", "content": "q", "nickname": "Ann", "mood": ""},
          {"role": "assistant", "content": "a", "reasoning_content": "r"}])"));
  EXPECT_THAT(
      chat.unknown_keys(extra), ElementsAre("messages[].nickname", "messages[].reasoning_content"));
  EXPECT_THAT(choose_chat_template("qwen3", {}, kSpecial).unknown_keys(extra),
      ElementsAre("messages[].nickname"));
}

TEST(ChatTemplate, ADevelopersMessageBecomesASystemMessageWhereItWouldBeLost) {
  const Conversation chat = conversation_of(Json::parse(
      R"([{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "q"},
          {"role": "assistant", "content": "a"}])"));
  EXPECT_THAT(choose_chat_template("chatml", {}, kSpecial).render(chat, "").text,
      HasSubstr("<|im_start|>developer\nBe kind."));
  EXPECT_THAT(choose_chat_template("qwen2.5", {}, kSpecial).render(chat, "").text,
      HasSubstr("<|im_start|>system\nBe kind."));
}

TEST(ChatTemplate, TextPartsBecomeOneTextWhereATemplateDoesNotKnowThem) {
  const Conversation chat = conversation_of(Json::parse(
      R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
          {"role": "assistant", "content": "c"}])"));
  EXPECT_THAT(choose_chat_template("chatml", {}, kSpecial).render(chat, "").text,
      HasSubstr("user\na\nb<|im_end|>"));
}

TEST(ChatTemplate, FloatsAreWrittenAsPythonWritesThem) {
  const JinjaTemplate jinja("{{ x | tojson }}", "mine");
  const auto text = [&](double value) { return jinja.render(Json{{"x", value}}).text; };
  EXPECT_EQ(text(1.0), "1.0");
  EXPECT_EQ(text(0.1), "0.1");
  EXPECT_EQ(text(1e-7), "1e-07");
  EXPECT_EQ(text(2.5e20), "2.5e+20");
  EXPECT_EQ(text(1e16), "1e+16");
  EXPECT_EQ(text(123456789.125), "123456789.125");
}

TEST(ChatTemplate, EndlessTemplatesEnd) {
  const auto failure = [](const std::string& source) -> std::string {
    try {
      JinjaTemplate(source, "mine").render(Json::object());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(failure("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("too deeply"));
  EXPECT_THAT(failure("{% for i in range(10000000) %}{% endfor %}"), HasSubstr("range()"));
  EXPECT_THAT(failure(std::string(100, '(')), "accepted");  // a text
  EXPECT_THAT(failure("{{ " + std::string(100, '(') + " }}"), HasSubstr("nested brackets"));
  EXPECT_THAT(failure("{{ 'x' * 99999999999 }}"), HasSubstr("number"));
  EXPECT_THAT(failure("{{ 'x' * 9999999 }}"), HasSubstr("too long"));
  EXPECT_THAT(failure("{% set n = namespace(t='x' * 100) %}{% for i in range(99) %}"
                      "{% set n.t = n.t + n.t %}{% endfor %}"),
      HasSubstr("too long"));
  EXPECT_THAT(failure("{% if x %}"), HasSubstr("cannot be read"));
  EXPECT_THAT(failure("{{ raise_exception('no') }}"), "no");
  EXPECT_THAT(failure("\xFF"), HasSubstr("UTF-8"));
}

std::string usage_error(const std::string& choice, const ModelTemplate& model) {
  try {
    choose_chat_template(choice, model, kSpecial);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(ChatTemplate, AnUnknownOneSaysHowToGiveOne) {
  EXPECT_THAT(usage_error("", {}),
      AllOf(HasSubstr("no chat template"), HasSubstr("--chat-template NAME"), HasSubstr("Jinja")));
  EXPECT_THAT(usage_error("lama2", {}), HasSubstr("did you mean llama2?"));
}

class ModelTemplateTest : public TokenizerFiles {
 protected:
  ModelTemplate read() const { return read_model_template(folder_ / "tokenizer.json"); }
};

TEST_F(ModelTemplateTest, StandsBesideTheTokenizer) {
  EXPECT_EQ(read().text, "");
  write("chat_template.json", R"({"chat_template": "zero"})");
  EXPECT_EQ(read().text, "zero");
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

TEST_F(ModelTemplateTest, MayComeFromAFile) {
  write("mine.jinja", "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
  const ChatTemplate mine = choose_chat_template((folder_ / "mine.jinja").string(), {}, kSpecial);
  const Conversation chat = conversation_of(
      Json::parse(R"([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}])"));
  EXPECT_EQ(mine.render(chat, "").text, "x</s>y</s>");
  write("mine.json", R"({"chat_template": "{{ messages[0].content }}"})");
  EXPECT_EQ(choose_chat_template((folder_ / "mine.json").string(), {}, kSpecial).source(),
      "{{ messages[0].content }}");
  write("bad.jinja", "{% for %}");
  EXPECT_THROW(choose_chat_template((folder_ / "bad.jinja").string(), {}, kSpecial), Error);
}

TEST_F(ModelTemplateTest, TruncatedJsonIsRefusedAtEveryByte) {
  const std::string config = R"({"bos_token": "<s>", "chat_template": "{{ messages }}"})";
  for (std::size_t size = 0; size < config.size(); ++size) {
    write("tokenizer_config.json", config.substr(0, size));
    try {
      read();
      ADD_FAILURE() << "read with " << size << " bytes";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr("tokenizer_config.json")) << size;
    }
  }
}

TEST(ChatTokens, MarkersThatAreNoTokensAreFound) {
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  EXPECT_THAT(markers_without_token("<|im_start|>a < b<|im_end|><|end_of_text|><b>", *tokenizer),
      ElementsAre("<|end_of_text|>"));
  EXPECT_THAT(markers_without_token("<|im_start|>", *tokenizer), IsEmpty());
}

TEST(ChatTokens, TheTokenThatEndsATurnIsFound) {
  const auto tokenizer = load_tokenizer(golden("tokenizer.json"));
  const auto end = turn_end({"a<|im_end|>\n", {{0, 11}}, {}}, *tokenizer);
  ASSERT_TRUE(end);
  EXPECT_EQ(tokenizer->decode({*end}), "<|im_end|>");
  EXPECT_FALSE(turn_end({"a", {{0, 1}}, {}}, *tokenizer));
}

}  // namespace
}  // namespace salf::data
