#include "data/rows/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "dataset_fixture.h"
#include "tensor/batch.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;
using salf::testing::ByteTokenizer;
using tensor::kNoLabel;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kEos = ByteTokenizer::kEos;
constexpr std::int64_t kBos = ByteTokenizer::kBos;

TEST_F(DatasetTest, PromptCarriesNoLossAndCompletionEndsWithEos) {
  const Dataset data = load_text("a.jsonl", R"({"prompt": "ab", "completion": "cd"})");
  ASSERT_EQ(data.documents.size(), 1U);
  EXPECT_THAT(data.documents[0].ids, ElementsAre('a', 'b', '\n', 'c', 'd', kEos));
  EXPECT_THAT(data.documents[0].labels, ElementsAre(kNoLabel, kNoLabel, 'c', 'd', kEos, kNoLabel));
  EXPECT_EQ(count_labels(data.documents[0]), 3);
  EXPECT_THAT(data.splits, ElementsAre(Split::kTrain));
}

TEST_F(DatasetTest, APromptThatEndsInWhiteSpaceStaysAsItIs) {
  const Dataset data = load_text("a.jsonl",
      "{\"prompt\": \"ab \", \"completion\": \"cd\"}\n"
      "{\"prompt\": \"\", \"completion\": \"ef\"}\n");
  EXPECT_EQ(text_of(data.documents[0]), "ab cd");
  EXPECT_EQ(text_of(data.documents[1]), "ef");
  EXPECT_EQ(loss_text(data.documents[1]), "f$");
}

TEST_F(DatasetTest, TextCarriesLossFromItsSecondTokenOn) {
  const fs::path path = write("a.jsonl", R"({"text": "abc"})");
  EXPECT_THAT(load(whole(path)).documents.at(0).labels, ElementsAre('b', 'c', kEos, kNoLabel));
  const Dataset with_bos = load(whole(path), 0, true);
  EXPECT_THAT(with_bos.documents.at(0).ids, ElementsAre(kBos, 'a', 'b', 'c', kEos));
  EXPECT_THAT(with_bos.documents.at(0).labels, ElementsAre('a', 'b', 'c', kEos, kNoLabel));
}

TEST_F(DatasetTest, PromptsCarryLossOnRequest) {
  DataOptions options = whole(write("a.jsonl", R"({"prompt": "ab", "completion": "cd"})"));
  options.train_on_prompt = true;
  EXPECT_EQ(loss_text(load(options).documents.at(0)), "b\ncd$");
  EXPECT_EQ(loss_text(load(options, 0, true).documents.at(0)), "ab\ncd$");
}

TEST_F(DatasetTest, CutsDocumentsAndDropsThoseWithoutSupervision) {
  const fs::path path = write("a.jsonl", R"({"prompt": "ab", "completion": "cdefgh"}
{"prompt": "a long prompt", "completion": "x"}
{"text": "1234"}
)");
  DataOptions options = whole(path);
  const Dataset data = load(options, 5);
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_THAT(data.documents[0].ids, ElementsAre('a', 'b', '\n', 'c', 'd'));
  EXPECT_THAT(data.documents[0].labels, ElementsAre(kNoLabel, kNoLabel, 'c', 'd', kNoLabel));
  EXPECT_EQ(data.documents[1].ids.size(), 5U);  // exactly the limit, with its eos
  EXPECT_EQ(data.report.cut_documents, 2);
  EXPECT_EQ(data.report.without_supervision, 1);
  options.max_length = 3;
  EXPECT_EQ(load(options, 5).documents.size(), 1U);
  options.max_length = 6;
  EXPECT_THAT(failure(options, ErrorKind::kUsage, 5), HasSubstr("--max-length 6"));
}

TEST_F(DatasetTest, RefusesLongDocumentsOnRequest) {
  DataOptions options = whole(write("a.jsonl", "{\"text\": \"1234\"}\n{\"text\": \"12345\"}\n"));
  options.long_rows = LongRows::kRefuse;
  EXPECT_THAT(failure(options, ErrorKind::kBadInput, 5),
      AllOf(HasSubstr("a.jsonl:2: "), HasSubstr("6 tokens"), HasSubstr("limit is 5")));
  options.skip_bad = true;
  const Dataset data = load(options, 5);
  EXPECT_EQ(data.documents.size(), 1U);
  EXPECT_EQ(data.report.bad_rows, 1);
  EXPECT_EQ(data.report.rows, 2);
}

TEST_F(DatasetTest, SaysWhyNothingIsSupervised) {
  DataOptions options =
      whole(write("a.jsonl", R"({"prompt": "a long prompt", "completion": "x"})"));
  EXPECT_THAT(failure(options, ErrorKind::kBadInput, 5),
      AllOf(HasSubstr("no supervised token"), HasSubstr("--max-length")));
  EXPECT_THAT(failure_of("b.jsonl", R"({"text": ""})"), HasSubstr("no supervised token"));
}

TEST_F(DatasetTest, DropsDuplicates) {
  const Dataset data = load_text("a.jsonl", R"({"prompt": "ab", "completion": "c"}
{"question": "ab", "answer": "c"}
{"prompt": "a", "completion": "bc"}
)");
  EXPECT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.report.duplicates, 1);
}

std::map<std::string, Split> splits_by_text(const Dataset& data) {
  std::map<std::string, Split> splits;
  for (std::size_t i = 0; i < data.documents.size(); ++i) {
    splits[text_of(data.documents[i])] = data.splits[i];
  }
  return splits;
}

std::string numbered_rows(int first, int last) {
  std::string rows;
  for (int i = first; i < last; ++i) rows += "{\"text\": \"document " + std::to_string(i) + "\"}\n";
  return rows;
}

TEST_F(DatasetTest, SplitsByTheDocumentAlone) {
  DataOptions options = whole(write("a.jsonl", numbered_rows(0, 2000)));
  options.dev_share = 0.1;
  options.test_share = 0.2;
  const Dataset data = load(options);
  // Binomial: five standard deviations are 67 of 2000 at 0.1 and 89 at 0.2.
  EXPECT_NEAR(static_cast<double>(data.indices(Split::kDev).size()), 200.0, 67.0);
  EXPECT_NEAR(static_cast<double>(data.indices(Split::kTest).size()), 400.0, 89.0);
  EXPECT_EQ(data.indices(Split::kAll).size(), 2000U);
  EXPECT_EQ(data.indices(Split::kTrain).size() + data.indices(Split::kDev).size() +
                data.indices(Split::kTest).size(),
      2000U);

  options.data = {write("b.jsonl", numbered_rows(1500, 2500)).string()};
  const auto all = splits_by_text(data);
  for (const auto& [text, split] : splits_by_text(load(options))) {
    const auto same = all.find(text);
    if (same != all.end()) {
      EXPECT_EQ(same->second, split) << text;
    }
  }
}

TEST_F(DatasetTest, ChangingOneShareKeepsTheOtherSplit) {
  DataOptions options = whole(write("a.jsonl", numbered_rows(0, 500)));
  options.dev_share = options.test_share = 0.1;
  const auto test = load(options).indices(Split::kTest);
  options.dev_share = 0.4;
  EXPECT_EQ(load(options).indices(Split::kTest), test);
}

TEST_F(DatasetTest, RefusesSharesThatLeaveNothingToTrainOn) {
  DataOptions options = whole(write("a.jsonl", numbered_rows(0, 5)));
  options.dev_share = 0.5;
  options.test_share = 0.5;
  EXPECT_THAT(
      failure(options, ErrorKind::kUsage), AllOf(HasSubstr("--dev-share"), HasSubstr("below 1")));
  options.dev_share = 1.5;
  EXPECT_THAT(failure(options, ErrorKind::kUsage), HasSubstr("--dev-share"));

  // One document whose hash does not fall into train at these shares.
  options.dev_share = 0.5;
  options.test_share = 0.49;
  options.data = {write("b.jsonl", numbered_rows(0, 1)).string()};
  EXPECT_THAT(failure(options), AllOf(HasSubstr("train split"), HasSubstr("--dev-share")));
}

TEST_F(DatasetTest, QuestionsThatDoNotFitAreCounted) {
  const fs::path path =
      write("a.jsonl", R"({"prompt": "Q", "options": ["a", "a longer option"], "answer": 0})");
  const Dataset data = load(whole(path), 8);
  EXPECT_EQ(data.documents.size(), 1U);
  EXPECT_TRUE(data.choices.empty());
  EXPECT_EQ(data.report.long_choices, 1);
  EXPECT_EQ(load(whole(path), 17).choices.size(), 1U);  // "Q\na longer option" without eos
}

TEST_F(DatasetTest, QuestionsShareTheirDocumentsSplit) {
  std::string rows;
  for (int i = 0; i < 100; ++i) {
    rows += R"({"options": ["yes", "no"], "answer": 0, "prompt": "Q)" + std::to_string(i) + "\"}\n";
  }
  DataOptions options = whole(write("a.jsonl", rows));
  options.dev_share = options.test_share = 0.3;
  const Dataset data = load(options);
  ASSERT_EQ(data.choices.size(), data.documents.size());
  for (std::size_t i = 0; i < data.choices.size(); ++i)
    EXPECT_EQ(data.choices[i].split, data.splits[i]);
}

// Document i has i+1 tokens.
Dataset staircase(std::int64_t count) {
  Dataset data;
  for (std::int64_t i = 0; i < count; ++i) {
    Document document;
    document.ids.assign(static_cast<std::size_t>(i + 1), 0);
    data.documents.push_back(document);
    data.splits.push_back(i % 2 == 0 ? Split::kTrain : Split::kDev);
  }
  return data;
}

TEST(SampleDocuments, DrawsOneFromEachStratumOfLength) {
  const Dataset data = staircase(100);
  const auto drawn = sample_documents(data, Split::kAll, 10, 3);
  ASSERT_EQ(drawn.size(), 10U);
  for (std::size_t stratum = 0; stratum < drawn.size(); ++stratum) {
    EXPECT_EQ(drawn[stratum] / 10, static_cast<std::int64_t>(stratum));
  }
  EXPECT_EQ(drawn, sample_documents(data, Split::kAll, 10, 3));
  EXPECT_NE(drawn, sample_documents(data, Split::kAll, 10, 4));
}

TEST(SampleDocuments, StaysInItsSplitAndGivesAllWhenThereAreNoMore) {
  const Dataset data = staircase(20);
  EXPECT_EQ(sample_documents(data, Split::kDev, 10, 1), data.indices(Split::kDev));
  EXPECT_EQ(sample_documents(data, Split::kDev, 99, 1), data.indices(Split::kDev));
  EXPECT_TRUE(sample_documents(data, Split::kDev, 0, 1).empty());
  const auto drawn = sample_documents(data, Split::kDev, 7, 1);
  ASSERT_EQ(drawn.size(), 7U);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_EQ(std::adjacent_find(drawn.begin(), drawn.end()), drawn.end());
  for (const std::int64_t index : drawn) EXPECT_EQ(index % 2, 1);
}

TEST(SampleDocuments, DrawsEveryDocumentOfAStratumEquallyOften) {
  const Dataset data = staircase(10);
  std::vector<double> counts(10, 0.0);
  constexpr int kDraws = 2000;
  for (int seed = 0; seed < kDraws; ++seed) {
    for (const std::int64_t index :
        sample_documents(data, Split::kAll, 2, static_cast<std::uint64_t>(seed))) {
      ++counts[static_cast<std::size_t>(index)];
    }
  }
  // Mean 400, standard deviation 18: five of them.
  for (const double count : counts) EXPECT_NEAR(count, kDraws / 5.0, 90.0);
}

// Of the tests of chat templates: bos and eos are added tokens, and it begins with bos.
std::unique_ptr<Tokenizer> chat_tokenizer() {
  return load_tokenizer(fs::path(SALF_TEST_DATA) / "chat" / "tokenizer.json");
}

TEST_F(DatasetTest, StartAndEndTokensAreNotDoubled) {
  const auto tokenizer = chat_tokenizer();
  core::Progress quiet;
  const auto ids = [&](const std::string& row) {
    return load_dataset(whole(write("a.jsonl", row)), *tokenizer, 0, quiet).documents.at(0).ids;
  };
  const auto plain = ids(R"({"text": "one"})");
  EXPECT_EQ(plain.front(), tokenizer->bos_id());
  EXPECT_EQ(plain.back(), tokenizer->eos_id());
  EXPECT_EQ(ids(R"({"text": "<s>one</s>"})"), plain);
  EXPECT_EQ(ids(R"({"text": "<s>one"})"), plain);
  EXPECT_EQ(ids(R"({"prompt": "<s>p ", "completion": "c</s>"})"),
      ids(R"({"prompt": "p ", "completion": "c"})"));
}

TEST_F(DatasetTest, ATextWithIdsBeyondTheModelIsABadRow) {
  DataOptions options = whole(write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"a\\u00ff\"}\n"));
  core::Progress quiet;
  const ByteTokenizer tokenizer;
  options.skip_bad = true;
  const Dataset data = load_dataset(options, tokenizer, 0, quiet, {}, 258);
  EXPECT_EQ(data.documents.size(), 2U);  // the largest id is eos, 257
  const Dataset small = load_dataset(options, tokenizer, 0, quiet, {}, 100000);
  EXPECT_EQ(small.report.bad_rows, 0);
  try {
    load_dataset(options, tokenizer, 0, quiet, {}, 200);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
        AllOf(HasSubstr("every row is bad"), HasSubstr("with the id 257"), HasSubstr("has 200")));
  }
}

class NoEnd : public ByteTokenizer {
 public:
  std::optional<std::int64_t> eos_id() const override { return std::nullopt; }
};

TEST_F(DatasetTest, DocumentsWithoutAnEndTokenBringAWarning) {
  core::Progress quiet;
  const DataOptions options = whole(write("a.jsonl", R"({"text": "ab"})"));
  const Dataset data = load_dataset(options, NoEnd(), 0, quiet);
  EXPECT_THAT(warnings(data.report), ElementsAre(HasSubstr("no end token")));
  EXPECT_THAT(warnings(load(options).report), ::testing::IsEmpty());
}

TEST(Describe, SaysOnlyWhatHappened) {
  DataReport report;
  report.rows = 1234;
  EXPECT_THAT(describe(report), ElementsAre("1,234 rows read"));
  report.bad_rows = 2;
  report.first_bad_row = "a.jsonl:3: broken";
  report.cut_documents = 1;
  EXPECT_THAT(describe(report),
      ElementsAre("1,234 rows read", HasSubstr("a.jsonl:3: broken"), HasSubstr("cut")));
}

}  // namespace
}  // namespace salf::data
