#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/hash.h"
#include "data/rows/dataset.h"
#include "dataset_fixture.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RowsTest : public DatasetTest {};

TEST_F(RowsTest, ReadsEveryForm) {
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

TEST_F(RowsTest, RowsMayNameTheirDomain) {
  const Dataset data = load_text("a.jsonl", R"({"text": "one", "domain": "law"}
{"text": "two", "domain": "<b>maths"}
{"text": "three", "domain": null}
{"text": "four", "domain": 7}
{"text": "five", "domain": "law"}
{"text": "six", "domain": ""}
)");
  EXPECT_THAT(data.domains, ElementsAre("law", "<b>maths"));
  std::vector<std::int64_t> domains;
  for (const Document& document : data.documents) domains.push_back(document.domain);
  EXPECT_THAT(domains, ElementsAre(0, 1, -1, -1, 0, -1));
  EXPECT_EQ(data.report.odd_domains, 1);
  EXPECT_THAT(describe(data.report),
      ::testing::Contains("1 rows whose domain is no text: they count as without one"));
}

TEST_F(RowsTest, LinesMayEndInCrlfBeginWithABomOrBeEmpty) {
  const Dataset data = load_text(
      "a.jsonl", "\xEF\xBB\xBF\r\n{\"text\": \"one\"}\r\n  \t\r\n{\"text\": \"two\"}\r\n\r\n");
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.documents[0].line, 2);
  EXPECT_EQ(data.documents[1].line, 4);
  EXPECT_EQ(text_of(data.documents[1]), "two");
}

TEST_F(RowsTest, LinesLongerThanTheReadBufferAreWhole) {
  std::string lines;
  for (const std::size_t length : {65535U, 65536U, 65537U, 200000U}) {
    lines += "{\"text\": \"" + std::string(length, 'x') + "\"}\n";
  }
  const Dataset data = load_text("a.jsonl", lines);
  ASSERT_EQ(data.documents.size(), 4U);
  EXPECT_EQ(data.documents[3].ids.size(), 200001U);
  EXPECT_EQ(data.documents[0].ids.size(), 65536U);
}

TEST_F(RowsTest, ReadsJsonArraysAndPlainText) {
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

TEST_F(RowsTest, ContentDecidesTheFormatWhereTheNameDoesNot) {
  EXPECT_EQ(text_of(load_text("a", "{\"text\": \"x1\"}").documents.at(0)), "x1");
  EXPECT_EQ(text_of(load_text("a.data", "[{\"text\": \"x2\"}]").documents.at(0)), "x2");
  EXPECT_THAT(
      failure_of("a", "words"), AllOf(HasSubstr("cannot tell"), HasSubstr("--format text")));
  DataOptions options = whole(write("a", "words"));
  options.format = FileFormat::kText;
  EXPECT_EQ(text_of(load(options).documents.at(0)), "words");
  EXPECT_EQ(text_of(load_text("a.json", "{\"text\": \"x3\"}\n").documents.at(0)), "x3");
  EXPECT_THAT(failure_of("a.json", "words"), AllOf(HasSubstr("a.json"), HasSubstr(".txt")));
}

TEST_F(RowsTest, HashIsThatOfTheFile) {
  const std::string bytes = "one\n\ntwo\n";
  EXPECT_EQ(load_text("a.txt", bytes).hash, core::sha256(bytes));
}

TEST_F(RowsTest, NamesTheLineAndTheByteThatIsNotText) {
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"\xE9\"}\n"),
      AllOf(HasSubstr("a.jsonl:2: byte 11 "), HasSubstr("UTF-8")));
  EXPECT_THAT(failure_of("a.jsonl", std::string("{\"text\": \"\0\"}\n", 14)),
      AllOf(HasSubstr("a.jsonl:1: byte 11 "), HasSubstr("NUL")));
  EXPECT_THAT(
      failure_of("a.json", "[\n{\"text\": \"\xC0\x80\"}]"), HasSubstr("a.json:2: byte 11 "));
  EXPECT_THAT(failure_of("a.txt", "one\n\ntwo\nb\xFF\n"), HasSubstr("a.txt:4: byte 2 "));
}

TEST_F(RowsTest, NamesTheLineOfMalformedJson) {
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \n{\"text\": \"y\"}\n"),
      AllOf(HasSubstr("a.jsonl:2: "), Not(HasSubstr("cut off"))));
  EXPECT_THAT(failure_of("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y"),
      AllOf(HasSubstr("a.jsonl:2: "), HasSubstr("cut off")));
  EXPECT_THAT(
      failure_of("a.json", "[{\"text\": \"x\"}, {\"te"), HasSubstr("a.json: not valid JSON"));
  EXPECT_THAT(failure_of("a.jsonl", "17\n"), HasSubstr("a.jsonl:1: expected an object"));
}

TEST_F(RowsTest, AWrongRowNamesTheFormsAndItsKeys) {
  EXPECT_THAT(failure_of("a.jsonl", R"({"prompt": "x", "reply": "y"})"),
      AllOf(HasSubstr("a.jsonl:1: "), HasSubstr("prompt and completion"), HasSubstr("text"),
          HasSubstr("found the keys prompt, reply")));
  EXPECT_THAT(failure_of("a.json", R"([{"text": "x"}, {}])"),
      AllOf(HasSubstr("a.json, row 2: "), HasSubstr("no keys")));
  EXPECT_THAT(failure_of("a.jsonl", R"({"prompt": "x", "completion": true})"),
      HasSubstr("a.jsonl:1: completion: expected a string, got true"));
  EXPECT_THAT(failure_of("a.jsonl", R"({"text": null})"), HasSubstr("text (null)"));
}

TEST_F(RowsTest, SkipBadCountsAndKeepsTheFirstReason) {
  const fs::path path = write("a.jsonl",
      "{\"text\": \"one\"}\n{\"text\": true}\n\xFF\n{\"text\"\n{\"text\": \"two\"}\n{\"te");
  DataOptions options = whole(path);
  options.skip_bad = true;
  const Dataset data = load(options);
  EXPECT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.report.rows, 6);
  EXPECT_EQ(data.report.bad_rows, 4);
  EXPECT_THAT(data.report.first_bad_row, HasSubstr("a.jsonl:2: text: expected a string"));

  options.data = {write("b.txt", "one\n\nt\xFFwo\nmore\n\nthree\n").string()};
  const Dataset text = load(options);
  ASSERT_EQ(text.documents.size(), 2U);
  EXPECT_EQ(text_of(text.documents[1]), "three");
  EXPECT_EQ(text.report.bad_rows, 1);

  options.data = {write("c.jsonl", "no\nrows\n").string()};
  EXPECT_THAT(failure(options), AllOf(HasSubstr("every row is bad"), HasSubstr("c.jsonl:1:")));
}

TEST_F(RowsTest, RefusesFilesThatHoldNothing) {
  EXPECT_THAT(failure_of("a.jsonl", ""), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.json", ""), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.json", "[]"), HasSubstr("empty"));
  EXPECT_THAT(failure_of("a.txt", "\n \r\n"), HasSubstr("empty"));
  EXPECT_THAT(
      failure(whole(folder_ / "missing.jsonl"), ErrorKind::kIo), HasSubstr("missing.jsonl"));
  EXPECT_THAT(failure(whole(folder_), ErrorKind::kIo), HasSubstr("a folder"));
  EXPECT_THAT(failure(whole("/dev/null"), ErrorKind::kIo), HasSubstr("no regular file"));
}

TEST_F(RowsTest, OptionsAndAnswerAreAQuestion) {
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

TEST_F(RowsTest, AnOptionsTextComesBeforeItsLetter) {
  const Dataset data =
      load_text("a.jsonl", R"({"prompt": "Q", "options": ["C", "B", "A"], "answer": "A"})");
  EXPECT_EQ(data.choices.at(0).answer, 2);
}

TEST_F(RowsTest, RefusesOptionsThatDoNotFitTheirAnswer) {
  const auto with = [&](const std::string& fields) {
    return failure_of("a.jsonl", "{\"prompt\": \"Q\", " + fields + "}");
  };
  EXPECT_THAT(
      with(R"("options": ["a", "b"], "answer": 2)"), HasSubstr("a.jsonl:1: answer: expected"));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": -1)"), HasSubstr("got -1"));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": "c")"), HasSubstr("got \"c\""));
  EXPECT_THAT(with(R"("options": ["a", "b"], "answer": "answer3")"), HasSubstr("answer3"));
  EXPECT_THAT(with(R"("options": ["a"], "answer": 0)"), HasSubstr("expected 2 to 26 options"));
  EXPECT_THAT(
      with(R"("options": ["a", true], "answer": 0)"), HasSubstr("options[1]: expected a string"));
  EXPECT_THAT(with(R"("options": ["a", ""], "answer": 0)"), HasSubstr("options[1]"));
  EXPECT_THAT(with(R"("options": "a", "answer": 0)"), HasSubstr("expected an array"));
  EXPECT_THAT(failure_of("b.jsonl", R"({"ask": "Q", "options": ["a", "b"], "answer": 0})"),
      HasSubstr("found the keys ask, options, answer"));
}

TEST_F(RowsTest, ListedOptionsAreScoredInTheOutputsForm) {
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

TEST_F(RowsTest, AnAnswerThatIsNoListedLabelMakesNoQuestion) {
  const Dataset data = load_text("a.jsonl",
      R"({"instruction": "answer1: a answer2: b", "output": "it is answer3", "answer": "answer3"}
{"instruction": "answer1: a answer2: b", "output": "it is b", "answer": "answer2"}
{"instruction": "nothing listed", "output": "answer1", "answer": "answer1"}
)");
  EXPECT_EQ(data.documents.size(), 3U);
  EXPECT_TRUE(data.choices.empty());
}

TEST_F(RowsTest, PromptsHaveWhatStandsBesideThem) {
  const Dataset data = load_text("a.jsonl",
      R"({"instruction": "I", "input": "J", "output": "O", "system": "S", "history": [["q", "a"]]}
{"question": "Q", "context": "C", "answer": 42}
{"instruction": "I", "context": "C", "response": 0.5}
{"input": "x", "output": "y"}
{"prompt": "p", "response": "r"}
)");
  ASSERT_EQ(data.documents.size(), 5U);
  EXPECT_EQ(text_of(data.documents[0]), "S\nq\na\nI\nJ\nO");
  EXPECT_EQ(loss_text(data.documents[0]), "O$");
  EXPECT_EQ(text_of(data.documents[1]), "C\nQ\n42");
  EXPECT_EQ(text_of(data.documents[2]), "I\nC\n0.5");
  EXPECT_EQ(text_of(data.documents[3]), "x\ny");
  EXPECT_EQ(text_of(data.documents[4]), "p\nr");
  EXPECT_TRUE(data.report.unused_keys.empty());
}

TEST_F(RowsTest, KeysThatAreNotUsedAreCounted) {
  const Dataset data = load_text("a.jsonl",
      R"({"text": "a", "id": 1, "empty": ""}
{"text": "b", "id": 2, "source": "web"}
)");
  ASSERT_EQ(data.report.unused_keys.size(), 2U);
  EXPECT_EQ(data.report.unused_keys[0].name, "id");
  EXPECT_EQ(data.report.unused_keys[0].count, 2);
  EXPECT_EQ(data.report.unused_keys[1].count, 1);
}

TEST_F(RowsTest, ChoicesAreOptions) {
  const Dataset data = load_text("a.jsonl",
      R"({"question": "Q1", "choices": ["a", "b", "c"], "answer": 1}
{"question": "Q2", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"}
{"question_stem": "Q3", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}
{"question": "Q4", "options": {"A": "a", "B": "b"}, "answer_idx": "B", "answer": "b"}
{"ctx": "Q5", "endings": ["a", "b"], "label": "1"}
)");
  ASSERT_EQ(data.choices.size(), 5U);
  for (const ChoiceRow& choice : data.choices) EXPECT_EQ(choice.answer, 1) << choice.line;
  EXPECT_EQ(text_of(data.documents.at(2)), "Q3\nb");
}

TEST_F(RowsTest, SeveralFilesAreOneDataset) {
  DataOptions options = whole(write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n"));
  options.data.push_back(write("b.txt", "three").string());
  const Dataset data = load(options);
  EXPECT_EQ(data.documents.size(), 3U);
  EXPECT_EQ(data.report.rows, 3);
  ASSERT_EQ(data.report.files.size(), 2U);
  EXPECT_EQ(data.report.files[0].count, 2);
  EXPECT_EQ(data.report.files[1].count, 1);
  std::reverse(options.data.begin(), options.data.end());
  EXPECT_NE(load(options).hash, data.hash);
}

TEST_F(RowsTest, CsvIsReadByItsColumns) {
  const Dataset data = load_text("a.csv",
      "prompt,completion,id\r\n"
      "What?,\"It, \"\"is\"\"\n\nso\",7\r\n"
      "\"a\",b,\n");
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(text_of(data.documents[0]), "What?\nIt, \"is\"\n\nso");
  EXPECT_EQ(data.documents[1].line, 5);
  EXPECT_EQ(data.report.unused_keys.at(0).name, "id");
  EXPECT_EQ(text_of(load_text("a.tsv", "text\tid\nx, y\t1\n").documents.at(0)), "x, y");
  EXPECT_EQ(text_of(load_text("b.csv", "prompt;completion\nx;y, z\n").documents.at(0)), "x\ny, z");
  EXPECT_THAT(failure_of("c.csv", "text,id\nx\n"),
      AllOf(HasSubstr("c.csv:2: expected 2 cells"), HasSubstr("got 1")));
  EXPECT_THAT(failure_of("d.csv", "text\n\"x\n"), HasSubstr("d.csv:2: a quoted cell does not end"));
  EXPECT_THAT(failure_of("e.csv", "text,text\nx,y\n"), HasSubstr("twice"));
  EXPECT_THAT(failure_of("f.csv", "a,b\nx,y\n"), HasSubstr("found the keys a, b"));
  EXPECT_THAT(failure_of("g.csv", "text\nx\xFF\n"), HasSubstr("g.csv:2: byte 2 "));
}

TEST_F(RowsTest, OtherFilesAreNamed) {
  EXPECT_THAT(failure_of("a.parquet", "PAR1\x15\x04"),
      AllOf(HasSubstr("Parquet"), HasSubstr("read_parquet"), HasSubstr("to_json")));
  EXPECT_THAT(failure_of("a.yaml", "- text: x\n"), HasSubstr("YAML"));
  EXPECT_THAT(failure_of("a.jsonl", std::string("\xFF\xFE{\0\"\0", 6)),
      AllOf(HasSubstr("UTF-16"), HasSubstr("iconv -f UTF-16")));
  EXPECT_THAT(failure_of("a.txt", std::string("h\0e\0l\0l\0o\0", 10)), HasSubstr("UTF-16"));
  EXPECT_THAT(
      failure_of("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"),
      HasSubstr("Git LFS pointer"));
  EXPECT_THAT(failure_of("a.gguf", "GGUF\x03"), HasSubstr("GGUF file"));
  EXPECT_THAT(failure_of("a.xlsx", "PK\x03\x04"), HasSubstr("read_excel"));
}

}  // namespace
}  // namespace salf::data
