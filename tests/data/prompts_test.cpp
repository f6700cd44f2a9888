#include "data/rows/prompts.h"

#include <gtest/gtest.h>

#include "support/byte_tokenizer.h"
#include "support/expect_error.h"
#include "tensor/batch.h"

namespace salf::data {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

FileRow row(const char* json) {
  return {parse_row(core::parse_json(json, "row"), "row"), 1, "row"};
}

TEST(Prompts, AreTheRowsUpToTheirLastAnswer) {
  const testing::ByteTokenizer tokenizer;
  PromptMaker maker(tokenizer, {kTemplate, "template"});
  const Prompt pair = maker.row(row(R"({"prompt": "Why?", "completion": " So."})"));
  EXPECT_EQ(tokenizer.decode(pair.ids), "Why?\n");
  EXPECT_EQ(pair.reference, " So.");
  const Prompt chat = maker.row(row(R"({"messages": [{"role": "user", "content": "a"},
      {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
      {"role": "assistant", "content": "d"}]})"));
  EXPECT_EQ(tokenizer.decode(chat.ids), "<user>a</s><assistant>b</s><user>c</s><assistant>");
  EXPECT_EQ(chat.text, "c");
  EXPECT_EQ(chat.reference, "d");
  const Prompt open = maker.row(row(R"({"messages": [{"role": "user", "content": "a"}]})"));
  EXPECT_EQ(tokenizer.decode(open.ids), "<user>a</s><assistant>");
  EXPECT_EQ(open.reference, std::nullopt);
  testing::expect_error(ErrorKind::kBadInput, "no message to answer",
      [&] { maker.row(row(R"({"messages": [{"role": "assistant", "content": "d"}]})")); });
}

TEST(Prompts, BeginWithBosWhereTheTokenizerWantsIt) {
  const testing::ByteTokenizer tokenizer(/*add_bos=*/true);
  PromptMaker maker(tokenizer, {kTemplate, "template"});
  EXPECT_EQ(maker.plain("a").ids, (std::vector<std::int64_t>{256, 'a'}));
  EXPECT_EQ(maker.question("a").ids.front(), '<');
}

TEST(Prompts, DocumentsAreAskedUpToTheirLastAnswer) {
  const testing::ByteTokenizer tokenizer;
  constexpr std::int64_t kNone = tensor::kNoLabel;
  const Document two{{'p', 'x', 'q', 'y', 'z', 257}, {'x', kNone, 'y', 'z', 257, kNone}, 1, -1};
  const auto asked = last_answer(two, tokenizer);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->prompt, (std::vector<std::int64_t>{'p', 'x', 'q'}));
  EXPECT_EQ(plain_text(asked->answer, tokenizer), "yz");
  const Document text{{'a', 'b', 257}, {'b', 257, kNone}, 1, -1};
  EXPECT_FALSE(last_answer(text, tokenizer));
  const Document empty{{'a', 'b', 257}, {kNone, 257, kNone}, 1, -1};
  EXPECT_FALSE(last_answer(empty, tokenizer));
}

}  // namespace
}  // namespace salf::data
