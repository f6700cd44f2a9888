// Programs that would exhaust the stack of TorchScript's parser are told by their text.
#include "model/scan/source_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace salf::model {
namespace {

using ::testing::HasSubstr;

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// What is wrong with a program of these records; "" if nothing is.
std::string problem(const std::map<std::string, std::string>& records) {
  try {
    SourceScan scan("model.pt");
    for (const auto& [record, source] : records) scan.add(record, source);
    scan.check_definitions();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
    return error.what();
  }
  return "";
}

std::string returning(const std::string& expression) {
  return problem({{"code/__torch__.py",
      "class M(Module):\n  def forward(self):\n    return " + expression + "\n"}});
}

TEST(SourceScan, NestedExpressionsAreBounded) {
  EXPECT_EQ(returning(repeated("(", 200) + "x" + repeated(")", 200)), "");
  for (const char* deeper : {"(", "[", "{", "-", "not ", "x + ", "f(1, ", "x.a.", "x if x else ",
           "f()", "\"a\" ", "(\n"}) {
    EXPECT_THAT(returning(repeated(deeper, 1000)), HasSubstr("model.pt, code/__torch__.py:"))
        << deeper;
  }
  EXPECT_THAT(
      returning(repeated("(\\\n", 1000)), HasSubstr("an expression of more than 500 tokens"));
  EXPECT_EQ(returning("[" + repeated("(1, [2, -3]), ", 5000) + "]"), "");
  EXPECT_EQ(problem({{"code/__torch__.py", repeated("x = (a + b) * c[1]\n", 5000)}}), "");
}

TEST(SourceScan, StringsAndCommentsAreSkippedAsTheLexerDoes) {
  const std::string brackets = repeated("(", 1000);
  EXPECT_EQ(returning("\"" + brackets + "\""), "");
  EXPECT_EQ(returning("'" + brackets + "\\'" + brackets + "'"), "");
  EXPECT_EQ(returning("\"\"\"" + brackets + "\"" + brackets + "\"\"\""), "");
  EXPECT_EQ(returning("1 # " + brackets), "");
  EXPECT_THAT(returning("\"\"\"a\"b\"\"\" + " + brackets), HasSubstr("more than 500 tokens"));
  EXPECT_THAT(returning("1 # type: " + brackets), HasSubstr("more than 500 tokens"));
  EXPECT_EQ(returning("\"" + brackets), "");  // no string: the parser stops there
}

TEST(SourceScan, BlocksAreBounded) {
  EXPECT_THAT(problem({{"code/a.py", "\n" + std::string(1001, ' ') + "x\n"}}),
      HasSubstr("code/a.py:2: a line is indented by 1001"));
  EXPECT_THAT(
      problem({{"code/a.py", repeated("elif x:\n  y\n", 501)}}), HasSubstr("at most 500 elifs"));
}

// Class 0 needs class 1, which needs class 2, and so on.
std::string chain(int length, const std::string& last) {
  std::string source;
  for (int i = 0; i < length; ++i) {
    source += "class C" + std::to_string(i) + "(Module):\n  a : __torch__.m.C" +
              std::to_string(i + 1) + "\n";
  }
  return source + "class C" + std::to_string(length) + "(Module):\n  a : " + last + "\n";
}

TEST(SourceScan, ChainsOfDefinitionsAreBounded) {
  EXPECT_EQ(problem({{"code/__torch__/m.py", chain(400, "int")}}), "");
  EXPECT_EQ(problem({{"code/__torch__/m.py", chain(400, "__torch__.m.C400")}}),
      "");  // a class may need itself
  EXPECT_THAT(problem({{"code/__torch__/m.py", chain(600, "int")}}),
      HasSubstr("more than 500 definitions that need one another"));
  EXPECT_THAT(problem({{"code/__TORCH__/M.py", chain(600, "int")}}),
      HasSubstr("more than 500 definitions that need one another"));
  EXPECT_THAT(problem({{"code/__torch__/m.py", chain(5, "__torch__.m.C3.method")}}),
      HasSubstr("in a circle"));
  EXPECT_THAT(
      problem({{"code/__torch__/m.py", "def f(x: Tensor) -> Tensor:\n  return __torch__.n.g(x)\n"},
          {"code/__torch__/n.py", "def g(x: Tensor) -> Tensor:\n  return __torch__ . m.f(x)\n"}}),
      HasSubstr("in a circle"));
}

}  // namespace
}  // namespace salf::model
