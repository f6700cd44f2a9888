#include "generate/generate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/weights/lora.h"
#include "model/weights/quantized_blocks.h"
#include "support/byte_tokenizer.h"
#include "support/expect_error.h"
#include "support/pieces.h"
#include "support/tiny_model.h"

namespace salf::generate {
namespace {

constexpr std::int64_t kLongest = 48;

class TinyText : public ::testing::Test {
 protected:
  // What is written without a cache: the most likely token of the whole text, again and again.
  std::vector<std::int64_t> expected(std::vector<std::int64_t> ids, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const at::Tensor row = at::tensor(ids).unsqueeze(0);
      ids.push_back(testing::logits_of(graph_, row)[-1].argmax().item<std::int64_t>());
    }
    return ids;
  }

  std::string text_of(const std::vector<std::int64_t>& ids, std::size_t from) const {
    return tokenizer_.decode({ids.begin() + static_cast<std::ptrdiff_t>(from), ids.end()});
  }

  const at::NoGradGuard no_gradients_;
  const model::ScriptModel model_{support::make_tiny_decoder(3, 16, 259, 5)};
  const model::GraphCut graph_{model_, ""};
  const testing::ByteTokenizer tokenizer_;
  Reader reader_{graph_, kLongest};
  const std::vector<std::int64_t> prompt_ = {5, 80, 33, 7};
};

TEST_F(TinyText, IsThatOfTheWholeTextReadAgain) {
  EXPECT_EQ(reader_.reason(), "");
  TextRequest request;
  request.prompt = prompt_;
  request.tokens = 20;
  std::string shown;
  request.show = [&shown](const std::string& piece) { shown += piece; };
  const types::GeneratedText made = write_text(reader_, tokenizer_, request);
  EXPECT_EQ(made.text, text_of(expected(prompt_, 20), 4));
  EXPECT_EQ(shown, made.text);
  EXPECT_EQ(made.tokens, 20);
  EXPECT_EQ(made.prompt_tokens, 4);
  EXPECT_EQ(made.end, types::TextEnd::kLength);
}

TEST_F(TinyText, EndsBeforeAnEndToken) {
  const std::vector<std::int64_t> all = expected(prompt_, 8);
  TextRequest request;
  request.prompt = prompt_;
  request.ends = {all[7]};
  std::size_t first = 4;
  while (all[first] != all[7]) ++first;
  const types::GeneratedText made = write_text(reader_, tokenizer_, request);
  EXPECT_EQ(made.end, types::TextEnd::kEnd);
  EXPECT_EQ(made.tokens, static_cast<std::int64_t>(first) - 4);
}

TEST_F(TinyText, EndsWhereTheContextIsFull) {
  TextRequest request;
  request.prompt = prompt_;
  request.tokens = 1000;
  const types::GeneratedText made = write_text(reader_, tokenizer_, request);
  EXPECT_EQ(made.end, types::TextEnd::kContext);
  EXPECT_EQ(made.tokens, kLongest - 4 + 1);
  request.prompt.assign(kLongest + 1, 3);
  testing::expect_error(ErrorKind::kUsage, "longer than the model's context of 48",
      [&] { write_text(reader_, tokenizer_, request); });
  request.prompt.clear();
  testing::expect_error(ErrorKind::kUsage, "the prompt has no tokens",
      [&] { write_text(reader_, tokenizer_, request); });
}

TEST_F(TinyText, IsDrawnByTheSeed) {
  TextRequest request;
  request.prompt = prompt_;
  request.tokens = 24;
  request.sampling = {2.0, 0.95};
  const std::string once = write_text(reader_, tokenizer_, request).text;
  EXPECT_EQ(write_text(reader_, tokenizer_, request).text, once);
  request.seed = 2;
  EXPECT_NE(write_text(reader_, tokenizer_, request).text, once);
}

TEST_F(TinyText, StopsWhenItIsTold) {
  TextRequest request;
  request.prompt = prompt_;
  int asked = 0;
  request.keep_going = [&asked] { return ++asked <= 3; };
  const types::GeneratedText made = write_text(reader_, tokenizer_, request);
  EXPECT_EQ(made.end, types::TextEnd::kStopped);
  EXPECT_EQ(made.tokens, 3);
}

TEST_F(TinyText, IsReadInPiecesWithBranchesAndInFewBits) {
  const at::Tensor ids = at::arange(5, 17).unsqueeze(0);
  std::vector<model::LoraLayer> branches =
      model::make_lora(model_, graph_.linear_layers(), {4, 8.0, false}, 1);
  for (model::LoraLayer& layer : branches) layer.b.data().normal_(0.0, 0.1);
  EXPECT_LT(testing::difference_in_pieces(graph_.with_lora(branches), ids, 3), 1e-5);
  const model::QuantizedBlocks quantized(
      model_, graph_, model::rounding_to(ops::WeightFormat::kInt8), 2);
  EXPECT_LT(testing::difference_in_pieces(quantized.graph(), ids, 3), 1e-5);
}

}  // namespace
}  // namespace salf::generate
