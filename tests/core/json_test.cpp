#include "core/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::core {
namespace {

using testing::expect_error;

enum class Shade { kDark, kLight };
std::vector<EnumName<Shade>> enum_names(Shade) {
  return {{Shade::kDark, "dark"}, {Shade::kLight, "light"}};
}

struct Point {
  double x = 1.5;
  std::optional<std::int64_t> label;
  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"x"}, self.x);
    visit(Field{"label"}, self.label);
  }
};

struct Everything {
  static constexpr const char* kSchema = "salf.everything/2";
  bool flag = false;
  std::int64_t count = 3;
  std::uint64_t seed = 4;
  double rate = 0.25;
  std::string text = "plain";
  Shade shade = Shade::kDark;
  Point point;
  std::optional<double> limit;
  std::optional<Shade> other;
  std::vector<std::int64_t> numbers;
  std::vector<bool> flags;
  std::vector<Point> points;
  std::vector<std::vector<double>> table;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"flag"}, self.flag);
    visit(Field{"count"}, self.count);
    visit(Field{"seed"}, self.seed);
    visit(Field{"rate"}, self.rate);
    visit(Field{"text"}, self.text);
    visit(Field{"shade"}, self.shade);
    visit(Field{"point"}, self.point);
    visit(Field{"limit"}, self.limit);
    visit(Field{"other"}, self.other);
    visit(Field{"numbers"}, self.numbers);
    visit(Field{"flags"}, self.flags);
    visit(Field{"points"}, self.points);
    visit(Field{"table"}, self.table);
  }
};

Everything filled() {
  Everything value;
  value.flag = true;
  value.count = std::numeric_limits<std::int64_t>::min();
  value.seed = std::numeric_limits<std::uint64_t>::max();
  value.rate = 0.1;
  value.text = "\"quoted\" \n Ünïcode 日本 \x01";
  value.shade = Shade::kLight;
  value.point = {-2e-300, 7};
  value.limit = 1e300;
  value.other = Shade::kLight;
  value.numbers = {1, -2, 3};
  value.flags = {true, false};
  value.points = {{0.5, std::nullopt}, {0.1 + 0.2, 9}};
  value.table = {{1.0, 2.5}, {}};
  return value;
}

Everything read(const std::string& text) {
  Everything value;
  from_json(parse_json(text, "f.json"), "f.json", value);
  return value;
}

void expect_bad(const std::string& text, const std::string& message) {
  expect_error(ErrorKind::kBadInput, message, [&] { read(text); });
}

TEST(Json, EveryFieldTypeComesBackTheSame) {
  const Everything before = filled();
  const Everything after = read(format_json(to_json(before)));
  EXPECT_EQ(format_json(to_json(after)), format_json(to_json(before)));
  EXPECT_EQ(after.count, before.count);
  EXPECT_EQ(after.seed, before.seed);
  EXPECT_EQ(after.rate, before.rate);
  EXPECT_EQ(after.text, before.text);
  EXPECT_EQ(after.other, before.other);
  EXPECT_EQ(after.flags, before.flags);
  ASSERT_EQ(after.points.size(), 2U);
  EXPECT_EQ(after.points[1].x, 0.1 + 0.2);
  EXPECT_EQ(after.table, before.table);
}

TEST(Json, AbsentKeysKeepTheirValuesAndNullResetsOptionals) {
  const Everything value = read(R"({"count": 5, "limit": null})");
  EXPECT_EQ(value.count, 5);
  EXPECT_EQ(value.rate, 0.25);
  EXPECT_FALSE(value.limit);
  EXPECT_FALSE(to_json(value).contains("limit"));
}

TEST(Json, WrongTypesNameThePlace) {
  expect_bad(R"({"flag": 1})", "f.json: flag: expected true or false, got 1");
  expect_bad(R"({"count": 1.5})", "f.json: count: expected a whole number, got 1.5");
  expect_bad(R"({"count": "3"})", "f.json: count: expected a whole number, got \"3\"");
  expect_bad(R"({"rate": "x"})", "f.json: rate: expected a number, got \"x\"");
  expect_bad(R"({"text": null})", "f.json: text: expected a string, got null");
  expect_bad(R"({"shade": "grey"})", "f.json: shade: expected dark or light, got \"grey\"");
  expect_bad(R"({"point": []})", "f.json: point: expected an object, got an array");
  expect_bad(R"({"numbers": {}})", "f.json: numbers: expected an array, got an object");
  expect_bad(
      R"({"points": [{"x": 1}, {"x": true}]})", "f.json: points[1].x: expected a number, got true");
  expect_bad(R"({"table": [[1], [2, "y"]]})", "f.json: table[1][1]: expected a number");
  expect_bad("[1]", "f.json: expected an object, got an array");
}

TEST(Json, WholeNumbersNeverWrap) {
  expect_bad(R"({"seed": -1})",
      "f.json: seed: expected a whole number from 0 to 18446744073709551615, got -1");
  expect_bad(R"({"count": 9223372036854775808})",
      "f.json: count: expected a whole number from -9223372036854775808");
  expect_bad(R"({"seed": 18446744073709551616})", "f.json: seed: expected a whole number");
  EXPECT_EQ(
      read(R"({"count": 9223372036854775807})").count, std::numeric_limits<std::int64_t>::max());
  std::int8_t small = 0;
  from_json(Json(-128), "f.json", small);
  EXPECT_EQ(small, -128);
  expect_error(
      ErrorKind::kBadInput, "-128 to 127", [&] { from_json(Json(-129), "f.json", small); });
  expect_error(ErrorKind::kBadInput, "-128 to 127", [&] { from_json(Json(128), "f.json", small); });
}

TEST(Json, UnknownKeysAreErrorsThatSuggest) {
  expect_bad(R"({"cuont": 1})", R"(f.json: unknown key "cuont"; did you mean "count"?)");
  expect_bad(R"({"point": {"elephant": 1}})",
      R"(f.json: point: unknown key "elephant"; known are x, label)");
}

TEST(Json, DuplicateKeysAreErrorsAtEveryDepth) {
  expect_bad(R"({"count": 1, "count": 2})", "\"count\" occurs twice");
  expect_bad(R"([{"a": [{"b": 1, "c": 2, "b": 3}]}])", "\"b\" occurs twice");
  const Json fine = parse_json(R"([{"a": 1}, {"a": {"a": 2}}])", "f");
  EXPECT_EQ(fine[1]["a"]["a"], 2);
}

TEST(Json, DepthIsLimitedTo64) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(parse_json(nested(64), "f").size(), 1U);
  expect_bad(nested(65), "deeper than 64");
  expect_bad(std::string(1'000'000, '['), "deeper than 64");
}

TEST(Json, MalformedTextNamesLineAndReason) {
  for (const char* const text :
      {"", "{", "[1,]", "{\"a\" 1}", "nul", "1 2", "\"a", "{'a': 1}", "NaN", "\"\xFF\"", "[1]]"}) {
    expect_bad(text, "f.json: not valid JSON: ");
  }
  expect_bad("{\n\"a\": tru }\n", "line 2");
  expect_bad("[1e999]", "not valid JSON");
}

TEST(Json, ValuesInMessagesAreMadePrintable) { expect_bad("{\"a\\u001b[2J\": 1}", "\\x1B[2J"); }

TEST(Json, NumbersThatAreNotFiniteBecomeNull) {
  Everything value;
  value.rate = std::nan("");
  value.table = {{std::numeric_limits<double>::infinity()}};
  const Everything back = read(format_json(to_json(value)));
  EXPECT_TRUE(std::isnan(back.rate));
  EXPECT_TRUE(std::isnan(back.table[0][0]));
}

TEST(Json, LayoutHasArraysOfNumbersOnOneLine) {
  Json json;
  json["a"] = {1, 2.5, -3};
  json["b"] = {"x", 1};
  json["c"] = Json::object();
  json["d"] = Json::array({Json::array({1, 2}), Json::array()});
  EXPECT_EQ(format_json(json),
      "{\n  \"a\": [1, 2.5, -3],\n  \"b\": [\n    \"x\",\n    1\n  ],\n  \"c\": {},\n"
      "  \"d\": [\n    [1, 2],\n    []\n  ]\n}\n");
  EXPECT_EQ(parse_json(format_json(json), "f"), json);
}

TEST(Json, ObjectsOfManyKeysParseInLinearTime) {
  // With a search for each key this would be ten thousand million comparisons.
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i)
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":" + std::to_string(i);
  const Json json = parse_json(text + "}", "f");
  EXPECT_EQ(json.size(), 200'000U);
  EXPECT_EQ(json.back(), 199'999);
}

TEST(Documents, ComeBackFromTheirFile) {
  const testing::TemporaryFolder folder;
  write_document(folder / "e.json", filled());
  EXPECT_EQ(read_file(folder / "e.json").rfind("{\n  \"schema\": \"salf.everything/2\",\n", 0), 0U);
  EXPECT_EQ(format_json(to_json(read_document<Everything>(folder / "e.json"))),
      format_json(to_json(filled())));
}

TEST(Documents, SchemaIsChecked) {
  const auto check = [](const char* text) {
    check_schema(parse_json(text, "f"), "salf.plan/2", "f");
  };
  EXPECT_NO_THROW(check(R"({"schema": "salf.plan/2"})"));
  EXPECT_NO_THROW(check(R"({"schema": "salf.plan/1"})"));
  expect_error(ErrorKind::kBadInput, "newer salf", [&] { check(R"({"schema": "salf.plan/3"})"); });
  expect_error(ErrorKind::kBadInput, "expected \"salf.plan/2\", got \"salf.run/1\"",
      [&] { check(R"({"schema": "salf.run/1"})"); });
  for (const char* const text :
      {"{}", "[]", R"({"schema": 2})", R"({"schema": "salf.plan"})", R"({"schema": "salf.plan/x"})",
          R"({"schema": "salf.plan/0"})", R"({"schema": "salf.plan/99999999999999999999"})"}) {
    expect_error(ErrorKind::kBadInput, "expected", [&] { check(text); });
  }
}

TEST(Documents, MissingFileIsAnIoError) {
  expect_error(ErrorKind::kIo, "/nowhere/f.json", [] { read_json_file("/nowhere/f.json"); });
}

}  // namespace
}  // namespace salf::core
