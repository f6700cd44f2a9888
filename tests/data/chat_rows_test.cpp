#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/hash.h"
#include "dataset_fixture.h"

namespace salf::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ChatRowsTest : public DatasetTest {
 protected:
  DataOptions chat(const std::string& lines, const std::string& format = "chatml") const {
    DataOptions options = whole(write("a.jsonl", lines));
    options.chat_template = format;
    return options;
  }
};

const std::string kRow =
    R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, )"
    R"({"role": "assistant", "content": "A1"}, {"role": "user", "content": "V"}, {"role": "assistant", "content": "A2"}]})";

TEST_F(ChatRowsTest, AnswersCarryLoss) {
  const Dataset data = load(chat(kRow), 0, true);
  ASSERT_EQ(data.documents.size(), 1U);
  EXPECT_EQ(text_of(data.documents[0]),
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>"
      "assistant\nA1<|im_end|>\n"
      "<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n");
  EXPECT_EQ(loss_text(data.documents[0]), "A1<|im_end|>A2<|im_end|>");
  EXPECT_EQ(data.documents[0].ids.front(), '<');  // the template writes no bos, so there is none
  EXPECT_EQ(data.report.chats, 1);
  EXPECT_EQ(data.chat_template, "chatml");
}

TEST_F(ChatRowsTest, EverythingCarriesLossOnRequest) {
  DataOptions options = chat(kRow);
  options.train_on_prompt = true;
  const Dataset data = load(options);
  EXPECT_EQ(loss_text(data.documents.at(0)), text_of(data.documents.at(0)).substr(1));
}

TEST_F(ChatRowsTest, ShareGptIsTheSame) {
  const Dataset data = load(chat(
      R"({"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "U"}, )"
      R"({"from": "gpt", "value": "A"}]}
{"conversations": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]}
)"));
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_THAT(text_of(data.documents[0]), HasSubstr("system\nS<|im_end|>\n<|im_start|>user\nU<"));
  EXPECT_EQ(loss_text(data.documents[0]), "A<|im_end|>");
  EXPECT_EQ(loss_text(data.documents[1]), "A<|im_end|>");
}

TEST_F(ChatRowsTest, TheModelsTemplateIsUsedWhereNoneIsNamed) {
  const ModelTemplate model{
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
      "+ '<|im_end|>' + '\n'}}"
      "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
      "tokenizer_config.json"};
  core::Progress quiet;
  const DataOptions options = chat(kRow, "");
  const Dataset data = load_dataset(options, salf::testing::ByteTokenizer(), 0, quiet, model);
  EXPECT_EQ(data.chat_template, "tokenizer_config.json");
  EXPECT_EQ(data.template_source, model.text);
  EXPECT_EQ(data.documents.at(0).ids, load(chat(kRow)).documents.at(0).ids);
  EXPECT_NE(load(chat(kRow)).hash, load(chat(kRow, "qwen2")).hash);
}

TEST_F(ChatRowsTest, WithoutATemplateTheyAreRefusedEvenWhereBadRowsAreSkipped) {
  DataOptions options = chat(kRow, "");
  options.skip_bad = true;
  EXPECT_THAT(failure(options, ErrorKind::kUsage), HasSubstr("--chat-template"));
  options.data = {write("b.jsonl", R"({"text": "no conversation"})").string()};
  EXPECT_EQ(load(options).documents.size(), 1U);  // nothing needs one
}

TEST_F(ChatRowsTest, ConversationsWithoutAnAnswerAreLeftOut) {
  const Dataset data =
      load(chat(kRow + "\n" + R"({"messages": [{"role": "user", "content": "U"}]})"));
  EXPECT_EQ(data.documents.size(), 1U);
  EXPECT_EQ(data.report.without_supervision, 1);
}

TEST_F(ChatRowsTest, LongOnesAreCut) {
  const Dataset data = load(chat(kRow), 90);
  EXPECT_EQ(data.documents.at(0).ids.size(), 90U);
  EXPECT_EQ(loss_text(data.documents.at(0)), "A1<|im_e");
}

TEST_F(ChatRowsTest, RefusesWhatIsNoConversation) {
  const auto with = [&](const std::string& messages) {
    return failure(chat("{\"messages\": " + messages + "}"));
  };
  EXPECT_THAT(with("7"), HasSubstr("a.jsonl:1: messages: expected an array"));
  EXPECT_THAT(with("[]"), HasSubstr("expected 1 to"));
  EXPECT_THAT(with("[7]"), HasSubstr("messages[0]: expected an object"));
  EXPECT_THAT(
      with(R"([{"role": "user"}])"), HasSubstr("messages[0]: expected a message with content"));
  EXPECT_THAT(with(R"([{"role": "user", "content": 7}])"),
      HasSubstr("messages[0].content: expected a string"));
  EXPECT_THAT(with(R"([{"role": "user", "content": [{"type": "image_url"}]}])"),
      HasSubstr("messages[0].content[0]: a part of the type \"image_url\""));
  EXPECT_THAT(with(R"([{"role": "critic", "content": "7"}])"),
      AllOf(HasSubstr("messages[0]"), HasSubstr("got \"critic\"")));
  EXPECT_THAT(with(R"([{"role": "assistant", "content": "x", "weight": 0.5}])"),
      HasSubstr("messages[0].weight: expected 0, 1"));
  EXPECT_THAT(with(R"([{"role": "assistant", "content": null, "tool_calls": [{}]}])"),
      HasSubstr("tool_calls"));
}

TEST_F(ChatRowsTest, MessagesMayCarryNoLoss) {
  for (const char* flag : {R"("weight": 0)", R"("train": false)", R"("loss": 0)", R"("mask": true)",
           R"("training": false, "weight": null)"}) {
    const Dataset data = load(chat(
        R"({"messages": [{"role": "user", "content": "U", "weight": 0}, {"role": "assistant", "content": "A", )" +
        std::string(flag) +
        R"(}, {"role": "user", "content": "V"}, {"role": "assistant", "content": "B", "weight": 1}]})"));
    ASSERT_EQ(data.documents.size(), 1U) << flag;
    EXPECT_EQ(loss_text(data.documents[0]), "B<|im_end|>") << flag;
    EXPECT_TRUE(data.report.unused_keys.empty()) << flag;
  }
}

TEST_F(ChatRowsTest, TextBesideTheMessagesIsUsed) {
  const Dataset data = load(chat(
      R"({"conversations": [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}], "system": "S", "tools": "[]", "id": 7})"));
  EXPECT_THAT(text_of(data.documents.at(0)), HasSubstr("system\nS<|im_end|>"));
  ASSERT_EQ(data.report.unused_keys.size(), 1U);
  EXPECT_EQ(data.report.unused_keys[0].name, "id");
  EXPECT_EQ(data.report.unused_keys[0].count, 1);
  EXPECT_THAT(warnings(data.report), ::testing::Contains(HasSubstr("id (1 rows)")));
}

TEST_F(ChatRowsTest, PromptAndCompletionMayBeLists) {
  const Dataset data = load(chat(
      R"({"prompt": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "no"}, {"role": "user", "content": "V"}], "completion": [{"role": "assistant", "content": "A"}]})"));
  EXPECT_EQ(loss_text(data.documents.at(0)), "A<|im_end|>");
}

TEST_F(ChatRowsTest, FunctionCallsAreToolCalls) {
  const std::string calls =
      R"({"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": null, "function_call": {"name": "get", "arguments": "{\"a\": 1}"}}, {"role": "function", "name": "get", "content": "7"}, {"role": "assistant", "content": "Seven"}], "functions": [{"name": "get", "parameters": {}}]})";
  EXPECT_THAT(failure(chat(calls)), HasSubstr("tools"));  // chatml has none
  const Dataset data = load(chat(calls, "qwen3"));
  EXPECT_THAT(text_of(data.documents.at(0)),
      AllOf(HasSubstr("\"name\": \"get\""), HasSubstr("\"arguments\": {\"a\": 1}"),
          HasSubstr("<tool_response>\n7\n</tool_response>")));
  EXPECT_THAT(loss_text(data.documents.at(0)), HasSubstr("<tool_call>"));
}

TEST_F(ChatRowsTest, EmptyToolCallsAreNone) {
  const Dataset data = load(chat(
      R"({"messages": [{"role": "user", "content": "U", "tool_calls": []}, {"role": "assistant", "content": "A", "tool_calls": []}], "tools": []})"));
  EXPECT_EQ(loss_text(data.documents.at(0)), "A<|im_end|>");
}

TEST_F(ChatRowsTest, DuplicatesAreDropped) {
  const Dataset data = load(chat(kRow + "\n" + kRow + "\n"));
  EXPECT_EQ(data.documents.size(), 1U);
  EXPECT_EQ(data.report.duplicates, 1);
}

TEST_F(ChatRowsTest, PromptsInSeveralSplitsAreCounted) {
  std::string rows;
  for (int i = 0; i < 60; ++i)
    rows += R"({"prompt": "The same  Prompt", "completion": ")" + std::to_string(i) + "\"}\n";
  for (int i = 0; i < 60; ++i) {
    rows += R"({"prompt": "prompt )" + std::to_string(i) +
            R"(", "completion": "other"})"
            "\n";
  }
  DataOptions options = whole(write("a.jsonl", rows));
  options.dev_share = options.test_share = 0.25;
  const Dataset data = load(options);
  std::int64_t dev = 0, test = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    dev += data.splits[i] == Split::kDev ? 1 : 0;
    test += data.splits[i] == Split::kTest ? 1 : 0;
  }
  ASSERT_GT(dev, 0);
  ASSERT_GT(test, 0);
  EXPECT_EQ(data.report.dev_overlap, dev);
  EXPECT_EQ(data.report.test_overlap, test);
  options.dev_share = options.test_share = 0;
  EXPECT_EQ(load(options).report.test_overlap, 0);
}

TEST_F(ChatRowsTest, CaseAndWhiteSpaceDoNotMakeAnotherPrompt) {
  std::string rows;
  for (int i = 0; i < 40; ++i)
    rows += "{\"text\": \"" + std::string(static_cast<std::size_t>(i + 1), ' ') +
            (i % 2 == 0 ? "aB c\"}\n" : "Ab  C \"}\n");
  DataOptions options = whole(write("a.jsonl", rows));
  options.test_share = 0.3;
  const Dataset data = load(options);
  EXPECT_GT(data.report.test_overlap, 0);
  EXPECT_EQ(data.report.test_overlap, static_cast<std::int64_t>(data.indices(Split::kTest).size()));
}

// Its tokens' bytes are not those of the text.
class LowerCase : public salf::testing::ByteTokenizer {
 public:
  std::vector<std::int64_t> encode(std::string_view text) const override {
    std::string lower(text);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return ByteTokenizer::encode(lower);
  }
};

TEST(ChatTokens, LossIsFoundWhereTheTokenizerChangesTheText) {
  const ChatText chat{"Ask Me;It Is;Thanks", {{7, 13}}, {}};
  const LowerCase tokenizer;
  const MarkedTokens tokens = encode_chat(chat, tokenizer, 0);
  std::string marked;
  for (std::size_t t = 0; t < tokens.ids.size(); ++t) {
    if (tokens.loss[t]) marked += tokenizer.decode({tokens.ids[t]});
  }
  EXPECT_EQ(marked, "it is;");
}

}  // namespace
}  // namespace salf::data
