#include "core/fields.h"

#include <gtest/gtest.h>

#include <cmath>

namespace salf::core {
namespace {

enum class Colour { kRed, kGreen, kBlue };
std::vector<EnumName<Colour>> enum_names(Colour) {
  return {{Colour::kRed, "red"}, {Colour::kGreen, "green"}, {Colour::kBlue, "blue"}};
}

struct Inner {
  double share = 0.5;
  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"share"}.range(0, 1), self.share);
  }
};

struct Outer {
  std::int64_t documents = 10;
  double rate = 1.0;
  bool flag = true;
  std::optional<double> limit;
  std::vector<std::int64_t> layers;
  Inner inner;
  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"documents", "how many"}.range(1, 1e9), self.documents);
    visit(Field{"learning_rate"}.positive(), self.rate);
    visit(Field{"flag"}.range(5, 6), self.flag);
    visit(Field{"limit"}.range(0, 2), self.limit);
    visit(Field{"layers"}.range(0, 30), self.layers);
    visit(Field{"inner"}, self.inner);
  }
};

TEST(Fields, DefaultsHaveNoProblem) { EXPECT_TRUE(range_problems(Outer{}).empty()); }

TEST(Fields, ReportsEveryProblemAtOnce) {
  Outer outer;
  outer.documents = 0;
  outer.rate = 0.0;
  outer.limit = 2.5;
  outer.layers = {3, 31, -1};
  outer.inner.share = 1.5;
  const std::vector<std::string> expected = {
      "--documents: expected a number from 1 to 1000000000, got 0",
      "--learning-rate: expected a number above 0, got 0",
      "--limit: expected a number from 0 to 2, got 2.5",
      "--layers: expected a number from 0 to 30, got 31",
      "--layers: expected a number from 0 to 30, got -1",
      "--inner.share: expected a number from 0 to 1, got 1.5"};
  EXPECT_EQ(range_problems(outer), expected);
}

TEST(Fields, BoundsBelongToTheRangeAndZeroIsNotPositive) {
  Outer outer;
  outer.documents = 1;
  outer.limit = 2.0;
  outer.layers = {0, 30};
  outer.rate = 5e-324;
  EXPECT_TRUE(range_problems(outer).empty());
}

TEST(Fields, NanIsAProblemEvenWithoutARange) {
  struct Free {
    double value = std::nan("");
    static void fields(const Free& self, detail::RangeVisitor& visit) {
      visit(Field{"value"}, self.value);
    }
  };
  const auto problems = range_problems(Free{});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0], "--value: expected a number, got nan");
}

TEST(Fields, RangesAreWords) {
  EXPECT_EQ(range_text(Field{"a"}), "");
  EXPECT_EQ(range_text(Field{"a"}.positive()), "above 0");
  EXPECT_EQ(range_text(Field{"a"}.range(0.5, 3)), "from 0.5 to 3");
  EXPECT_EQ(range_text(Field{"a"}.range(2, INFINITY)), "at least 2");
  EXPECT_EQ(range_text(Field{"a"}.range(-INFINITY, 2)), "at most 2");
}

TEST(Fields, EnumsHaveNames) {
  EXPECT_EQ(enum_to_string(Colour::kGreen), "green");
  EXPECT_EQ(enum_from_string<Colour>("blue"), Colour::kBlue);
  EXPECT_FALSE(enum_from_string<Colour>("Blue"));
  EXPECT_EQ(enum_choices<Colour>(), "red, green or blue");
}

}  // namespace
}  // namespace salf::core
