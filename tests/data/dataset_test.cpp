#include "salf/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "salf/core/error.h"
#include "salf/core/hash.h"
#include "salf/tensor/batch.h"
#include "support/byte_tokenizer.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;
using salf::testing::ByteTokenizer;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kEos = ByteTokenizer::kEos;
constexpr std::int64_t kBos = ByteTokenizer::kBos;
constexpr std::int64_t kNone = tensor::kNoLabel;

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest()
      : folder_(fs::temp_directory_path() / ("salf-dataset-test-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~DatasetTest() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  // Without splits, so that small files do not happen to have no train split.
  static DataOptions whole(const fs::path& path) {
    DataOptions options;
    options.data = path.string();
    options.dev_share = options.test_share = 0.0;
    return options;
  }

  static Dataset load(const DataOptions& options, std::int64_t context = 0, bool bos = false) {
    core::Progress quiet;
    return load_dataset(options, ByteTokenizer(bos), context, quiet);
  }

  Dataset load_text(const std::string& name, const std::string& bytes) const {
    return load(whole(write(name, bytes)));
  }

  static std::string failure(const DataOptions& options, ErrorKind kind = ErrorKind::kBadInput,
                             std::int64_t context = 0) {
    try {
      load(options, context);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  std::string failure_of(const std::string& name, const std::string& bytes) const {
    return failure(whole(write(name, bytes)));
  }

  fs::path folder_;
};

std::string text_of(const Document& document) { return ByteTokenizer().decode(document.ids); }

// What carries loss, eos as "$".
std::string loss_text(const Document& document) {
  std::string text;
  for (const std::int64_t label : document.labels) {
    if (label != kNone) text += label == kEos ? '$' : static_cast<char>(label);
  }
  return text;
}

TEST_F(DatasetTest, PromptCarriesNoLossAndCompletionEndsWithEos) {
  const Dataset data = load_text("a.jsonl", R"({"prompt": "ab", "completion": "cd"})");
  ASSERT_EQ(data.documents.size(), 1U);
  EXPECT_THAT(data.documents[0].ids, ElementsAre('a', 'b', '\n', 'c', 'd', kEos));
  EXPECT_THAT(data.documents[0].labels, ElementsAre(kNone, kNone, 'c', 'd', kEos, kNone));
  EXPECT_EQ(data.supervised_tokens(), 3);
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
  EXPECT_THAT(load(whole(path)).documents.at(0).labels, ElementsAre('b', 'c', kEos, kNone));
  const Dataset with_bos = load(whole(path), 0, true);
  EXPECT_THAT(with_bos.documents.at(0).ids, ElementsAre(kBos, 'a', 'b', 'c', kEos));
  EXPECT_THAT(with_bos.documents.at(0).labels, ElementsAre('a', 'b', 'c', kEos, kNone));
}

TEST_F(DatasetTest, PromptsCarryLossOnRequest) {
  DataOptions options = whole(write("a.jsonl", R"({"prompt": "ab", "completion": "cd"})"));
  options.train_on_prompt = true;
  EXPECT_EQ(loss_text(load(options).documents.at(0)), "b\ncd$");
  EXPECT_EQ(loss_text(load(options, 0, true).documents.at(0)), "ab\ncd$");
}

TEST_F(DatasetTest, ReadsEveryForm) {
  const Dataset data = load_text("a.jsonl", R"({"question": "q", "answer": "a", "id": 7}
{"instruction": "do", "input": "in", "output": "out", "text": "all of it"}
{"instruction": "do", "input": "", "output": "out"}
{"instruction": "go", "input": null, "output": "out"}
{"instruction": "no", "output": "out", "answer": "out"}
)");
  ASSERT_EQ(data.documents.size(), 5U);
  EXPECT_EQ(text_of(data.documents[0]), "q\na");
  EXPECT_EQ(text_of(data.documents[1]), "do\nin\nout");
  EXPECT_EQ(text_of(data.documents[2]), "do\nout");
  EXPECT_EQ(text_of(data.documents[3]), "go\nout");
  EXPECT_EQ(text_of(data.documents[4]), "no\nout");
  EXPECT_EQ(loss_text(data.documents[1]), "out$");
  EXPECT_TRUE(data.choices.empty());
}

TEST_F(DatasetTest, LinesMayEndInCrlfBeginWithABomOrBeEmpty) {
  const Dataset data = load_text(
      "a.jsonl", "\xEF\xBB\xBF\r\n{\"text\": \"one\"}\r\n  \t\r\n{\"text\": \"two\"}\r\n\r\n");
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.documents[0].line, 2);
  EXPECT_EQ(data.documents[1].line, 4);
  EXPECT_EQ(text_of(data.documents[1]), "two");
}

TEST_F(DatasetTest, LinesLongerThanTheReadBufferAreWhole) {
  std::string lines;
  for (const std::size_t length : {65535U, 65536U, 65537U, 200000U}) {
    lines += "{\"text\": \"" + std::string(length, 'x') + "\"}\n";
  }
  const Dataset data = load_text("a.jsonl", lines);
  ASSERT_EQ(data.documents.size(), 4U);
  EXPECT_EQ(data.documents[3].ids.size(), 200001U);
  EXPECT_EQ(data.documents[0].ids.size(), 65536U);
}

TEST_F(DatasetTest, ReadsJsonArraysAndPlainText) {
  const Dataset array =
      load_text("a.json", "\xEF\xBB\xBF [\n{\"text\": \"one\"},\n{\"text\": \"two\"}]\n");
  ASSERT_EQ(array.documents.size(), 2U);
  EXPECT_EQ(array.documents[1].line, 2);
  const Dataset text = load_text("a.txt", "{one\r\nmore\r\n\r\n \t\n\ntwo");
  ASSERT_EQ(text.documents.size(), 2U);
  EXPECT_EQ(text_of(text.documents[0]), "{one\nmore");
  EXPECT_EQ(text_of(text.documents[1]), "two");
  EXPECT_EQ(text.documents[1].line, 6);
}

TEST_F(DatasetTest, ContentDecidesTheFormatWhereTheNameDoesNot) {
  EXPECT_EQ(text_of(load_text("a", "{\"text\": \"x1\"}").documents.at(0)), "x1");
  EXPECT_EQ(text_of(load_text("a.data", "[{\"text\": \"x2\"}]").documents.at(0)), "x2");
  EXPECT_EQ(text_of(load_text("a", "words").documents.at(0)), "words");
  EXPECT_EQ(text_of(load_text("a.json", "{\"text\": \"x3\"}\n").documents.at(0)), "x3");
  EXPECT_THAT(failure_of("a.json", "words"), AllOf(HasSubstr("a.json"), HasSubstr(".txt")));
}

TEST_F(DatasetTest, HashIsThatOfTheFile) {
  const std::string bytes = "one\n\ntwo\n";
  EXPECT_EQ(load_text("a.txt", bytes).hash, core::sha256(bytes));
}

TEST_F(DatasetTest, NamesTheLineAndTheByteThatIsNotText) {
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"\xE9\"}\n"),
              AllOf(HasSubstr("a.jsonl:2: byte 11 "), HasSubstr("UTF-8")));
  EXPECT_THAT(failure_of("a.jsonl", std::string("{\"text\": \"\0\"}\n", 14)),
              AllOf(HasSubstr("a.jsonl:1: byte 11 "), HasSubstr("NUL")));
  EXPECT_THAT(failure_of("a.json", "[\n{\"text\": \"\xC0\x80\"}]"),
              HasSubstr("a.json:2: byte 11 "));
  EXPECT_THAT(failure_of("a.txt", "one\n\ntwo\nb\xFF\n"), HasSubstr("a.txt:4: byte 2 "));
}

TEST_F(DatasetTest, NamesTheLineOfMalformedJson) {
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \n{\"text\": \"y\"}\n"),
              AllOf(HasSubstr("a.jsonl:2: "), Not(HasSubstr("cut off"))));
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y"),
              AllOf(HasSubstr("a.jsonl:2: "), HasSubstr("cut off")));
  EXPECT_THAT(failure_of("a.json", "[{\"text\": \"x\"}, {\"te"),
              HasSubstr("a.json: not valid JSON"));
  EXPECT_THAT(failure_of("a.jsonl", "17\n"), HasSubstr("a.jsonl:1: expected an object"));
}

TEST_F(DatasetTest, AWrongRowNamesTheFormsAndItsKeys) {
  EXPECT_THAT(failure_of("a.jsonl", R"({"prompt": "x", "reply": "y"})"),
              AllOf(HasSubstr("a.jsonl:1: "), HasSubstr("prompt and completion"), HasSubstr("text"),
                    HasSubstr("found the keys prompt, reply")));
  EXPECT_THAT(failure_of("a.json", R"([{"text": "x"}, {}])"),
              AllOf(HasSubstr("a.json, row 2: "), HasSubstr("no keys")));
  EXPECT_THAT(failure_of("a.jsonl", R"({"prompt": "x", "completion": 3})"),
              HasSubstr("a.jsonl:1: completion: expected a string, got 3"));
  EXPECT_THAT(failure_of("a.jsonl", R"({"text": null})"), HasSubstr("text (null)"));
}

TEST_F(DatasetTest, SkipBadCountsAndKeepsTheFirstReason) {
  const fs::path path = write(
      "a.jsonl", "{\"text\": \"one\"}\n{\"text\": 1}\n\xFF\n{\"text\"\n{\"text\": \"two\"}\n{\"te");
  DataOptions options = whole(path);
  options.skip_bad = true;
  const Dataset data = load(options);
  EXPECT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.report.rows, 6);
  EXPECT_EQ(data.report.bad_rows, 4);
  EXPECT_THAT(data.report.first_bad_row, HasSubstr("a.jsonl:2: text: expected a string"));

  options.data = write("b.txt", "one\n\nt\xFFwo\nmore\n\nthree\n").string();
  const Dataset text = load(options);
  ASSERT_EQ(text.documents.size(), 2U);
  EXPECT_EQ(text_of(text.documents[1]), "three");
  EXPECT_EQ(text.report.bad_rows, 1);

  options.data = write("c.jsonl", "no\nrows\n").string();
  EXPECT_THAT(failure(options), AllOf(HasSubstr("every row is bad"), HasSubstr("c.jsonl:1:")));
}

TEST_F(DatasetTest, RefusesFilesThatHoldNothing) {
  EXPECT_THAT(failure_of("a.jsonl", ""), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.json", ""), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.json", "[]"), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.txt", "\n \r\n"), HasSubstr("empty"));
  EXPECT_THAT(failure(whole(folder_ / "missing.jsonl"), ErrorKind::kIo),
              HasSubstr("missing.jsonl"));
  EXPECT_THAT(failure(whole(folder_), ErrorKind::kIo), HasSubstr("a folder"));
  EXPECT_THAT(failure(whole("/dev/null"), ErrorKind::kIo), HasSubstr("no regular file"));
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
  EXPECT_THAT(data.documents[0].labels, ElementsAre(kNone, kNone, 'c', 'd', kNone));
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

  options.data = write("b.jsonl", numbered_rows(1500, 2500)).string();
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
  EXPECT_THAT(failure(options, ErrorKind::kUsage),
              AllOf(HasSubstr("--dev-share"), HasSubstr("below 1")));
  options.dev_share = 1.5;
  EXPECT_THAT(failure(options, ErrorKind::kUsage), HasSubstr("--dev-share"));

  // One document whose hash does not fall into train at these shares.
  options.dev_share = 0.5;
  options.test_share = 0.49;
  options.data = write("b.jsonl", numbered_rows(0, 1)).string();
  EXPECT_THAT(failure(options), AllOf(HasSubstr("train split"), HasSubstr("--dev-share")));
}

TEST_F(DatasetTest, OptionsAndAnswerAreAQuestion) {
  const Dataset data =
      load_text("a.jsonl", R"({"question": "Sky?", "options": ["red", "blue"], "answer": 1}
{"prompt": "Q1", "options": ["red", "blue"], "answer": "blue"}
{"prompt": "Q2", "options": ["red", "blue"], "answer": "B"}
{"instruction": "Q3", "options": ["red", "blue"], "answer": "answer2", "output": "It is blue"}
)");
  ASSERT_EQ(data.choices.size(), 4U);
  ASSERT_EQ(data.documents.size(), 4U);
  EXPECT_EQ(data.report.choices, 4);
  for (const ChoiceRow& choice : data.choices) EXPECT_EQ(choice.answer, 1);
  EXPECT_EQ(data.choices[2].line, 3);
  const ChoiceRow& sky = data.choices[0];
  ASSERT_EQ(sky.options.size(), 2U);
  EXPECT_EQ(text_of(sky.options[0]), "Sky?\nred");
  EXPECT_EQ(loss_text(sky.options[0]), "red");
  EXPECT_EQ(loss_text(sky.options[1]), "blue");
  EXPECT_THAT(sky.option_bytes, ElementsAre(3, 4));
  EXPECT_EQ(loss_text(data.documents[0]), "blue$");
  EXPECT_EQ(loss_text(data.documents[3]), "It is blue$");
}

TEST_F(DatasetTest, AnOptionsTextComesBeforeItsLetter) {
  const Dataset data =
      load_text("a.jsonl", R"({"prompt": "Q", "options": ["C", "B", "A"], "answer": "A"})");
  EXPECT_EQ(data.choices.at(0).answer, 2);
}

TEST_F(DatasetTest, RefusesOptionsThatDoNotFitTheirAnswer) {
  const auto with = [&](const std::string& fields) {
    return failure_of("a.jsonl", "{\"prompt\": \"Q\", " + fields + "}");
  };
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": 2)"),
              HasSubstr("a.jsonl:1: answer: expected"));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": -1)"), HasSubstr("got -1"));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": "c")"), HasSubstr("got \"c\""));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": "answer3")"), HasSubstr("answer3"));
  EXPECT_THAT(with(R"("options": ["a"], "answer": 0)"), HasSubstr("expected 2 to 26 options"));
  EXPECT_THAT(with(R"("options": ["a", 1], "answer": 0)"),
              HasSubstr("options[1]: expected a string"));
  EXPECT_THAT(with(R"("options": ["a", ""], "answer": 0)"), HasSubstr("options[1]"));
  EXPECT_THAT(with(R"("options": "a", "answer": 0)"), HasSubstr("expected an array"));
  EXPECT_THAT(failure_of("b.jsonl", R"({"ask": "Q", "options": ["a", "b"], "answer": 0})"),
              HasSubstr("found the keys ask, options, answer"));
}

TEST_F(DatasetTest, ListedOptionsAreScoredInTheOutputsForm) {
  const Dataset data = load_text("a.json", R"([{"instruction":
"Choose: Which?\n\nAnswer1: a cat Answer2: a dog Answer3: a cow\n\nAnswer format: answer1/answer2/answer3",
"input": "", "output": "the correct answer is answer2", "answer": "answer2"}])");
  ASSERT_EQ(data.choices.size(), 1U);
  const ChoiceRow& choice = data.choices[0];
  EXPECT_EQ(choice.answer, 1);
  ASSERT_EQ(choice.options.size(), 3U);
  EXPECT_EQ(loss_text(choice.options[0]), "the correct answer is answer1");
  EXPECT_EQ(loss_text(choice.options[2]), "the correct answer is answer3");
  EXPECT_EQ(loss_text(data.documents.at(0)), "the correct answer is answer2$");
  EXPECT_THAT(choice.option_bytes, ElementsAre(29, 29, 29));
}

TEST_F(DatasetTest, AnAnswerThatIsNoListedLabelMakesNoQuestion) {
  const Dataset data = load_text(
      "a.jsonl",
      R"({"instruction": "answer1: a answer2: b", "output": "it is answer3", "answer": "answer3"}
{"instruction": "answer1: a answer2: b", "output": "it is b", "answer": "answer2"}
{"instruction": "nothing listed", "output": "answer1", "answer": "answer1"}
)");
  EXPECT_EQ(data.documents.size(), 3U);
  EXPECT_TRUE(data.choices.empty());
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
