#include "flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::tools {
namespace {

using testing::expect_error;
using ::testing::HasSubstr;

enum class Mode { kFast, kSlow };
std::vector<core::EnumName<Mode>> enum_names(Mode) {
  return {{Mode::kFast, "fast"}, {Mode::kSlow, "slow"}};
}

struct Options {
  std::string model;
  std::int64_t batch_tokens = 1024;
  double share = 0.5;
  bool skip_bad = false;
  Mode mode = Mode::kFast;
  std::uint64_t seed = 1;
  std::optional<double> limit;
  std::optional<Mode> other;
  std::vector<std::int64_t> layers;
  std::string output = "out";

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"model", "the model"}, self.model);
    visit(Field{"batch_tokens", "tokens of a batch"}.range(1, 1e9), self.batch_tokens);
    visit(Field{"share", "a share"}.range(-1, 1), self.share);
    visit(Field{"skip_bad", "count bad rows"}, self.skip_bad);
    visit(Field{"mode", "how"}, self.mode);
    visit(Field{"seed", "seed"}, self.seed);
    visit(Field{"limit", "limit"}.positive(), self.limit);
    visit(Field{"other", "another"}, self.other);
    visit(Field{"layers", "layers"}.range(0, 30), self.layers);
    visit(Field{"output", "where to"}, self.output);
  }

  std::vector<std::string> problems() const {
    if (model.empty()) return {"a model is needed"};
    return {};
  }
};

const CommandText kText = {"do", "Does it", {"model"}, "Example:\n  salf do m"};

Options load(const std::vector<std::string>& arguments) {
  Options options;
  EXPECT_TRUE(load_options(kText, arguments, options));
  return options;
}

std::string usage_error(const std::vector<std::string>& arguments) {
  try {
    load(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return "";
}

std::string config(const testing::TemporaryFolder& folder, const std::string& text) {
  std::ofstream(folder / "config.json") << text;
  return (folder / "config.json").string();
}

TEST(Flags, DefaultsStayWhereNothingIsGiven) {
  const Options options = load({"m"});
  EXPECT_EQ(options.model, "m");
  EXPECT_EQ(core::format_json(core::to_json(options)), core::format_json([] {
    core::Json json = core::to_json(Options{});
    json["model"] = "m";
    return json;
  }()));
}

TEST(Flags, EveryTypeIsRead) {
  const Options options = load({"--model", "m", "--batch-tokens=7", "--share", "-0.25",
      "--skip-bad", "--mode", "slow", "--seed", "18446744073709551615", "--limit", "1e-3",
      "--other", "slow", "--layers", "3", "--layers", "5", "-o", "there"});
  EXPECT_EQ(options.model, "m");
  EXPECT_EQ(options.batch_tokens, 7);
  EXPECT_EQ(options.share, -0.25);
  EXPECT_TRUE(options.skip_bad);
  EXPECT_EQ(options.mode, Mode::kSlow);
  EXPECT_EQ(options.seed, 18446744073709551615ULL);
  EXPECT_EQ(options.limit, 1e-3);
  EXPECT_EQ(options.other, Mode::kSlow);
  EXPECT_EQ(options.layers, (std::vector<std::int64_t>{3, 5}));
  EXPECT_EQ(options.output, "there");
}

TEST(Flags, AListTakesOneWordAFlagSoThatTheModelMayFollow) {
  const Options options = load({"--layers", "3", "m"});
  EXPECT_EQ(options.layers, std::vector<std::int64_t>{3});
  EXPECT_EQ(options.model, "m");
}

TEST(Flags, TheLastOfTwoWins) {
  EXPECT_EQ(load({"m", "--batch-tokens", "1", "--batch-tokens", "2"}).batch_tokens, 2);
}

TEST(Flags, DefaultThenConfigThenFlag) {
  const testing::TemporaryFolder folder;
  const std::string path = config(folder,
      R"({"model": "c", "batch_tokens": 5, "skip_bad": true, "mode": "slow", "layers": [1, 2]})");
  Options options = load({"--config", path, "--batch-tokens", "9", "--layers", "4"});
  EXPECT_EQ(options.model, "c");
  EXPECT_EQ(options.batch_tokens, 9);
  EXPECT_TRUE(options.skip_bad);
  EXPECT_EQ(options.mode, Mode::kSlow);
  EXPECT_EQ(options.layers, std::vector<std::int64_t>{4});
  EXPECT_EQ(options.share, 0.5);
  options = load({"--config=" + path, "--skip-bad=false"});
  EXPECT_FALSE(options.skip_bad);
  EXPECT_EQ(options.layers, (std::vector<std::int64_t>{1, 2}));
}

TEST(Flags, ConfigFilesAreChecked) {
  const testing::TemporaryFolder folder;
  expect_error(ErrorKind::kBadInput, "did you mean \"batch_tokens\"?", [&] {
    load({"m", "--config", config(folder, R"({"batch_token": 5})")});
  });
  expect_error(ErrorKind::kBadInput, "share: expected a number", [&] {
    load({"m", "--config", config(folder, R"({"share": "x"})")});
  });
  expect_error(ErrorKind::kBadInput, "not valid JSON", [&] {
    load({"m", "--config", config(folder, "{")});
  });
  expect_error(ErrorKind::kIo, "nowhere", [] { load({"m", "--config", "/nowhere/c.json"}); });
  EXPECT_THAT(usage_error({"m", "--config", config(folder, R"({"batch_tokens": 0})")}),
      HasSubstr("--batch-tokens"));
  EXPECT_THAT(usage_error({"m", "--config"}), HasSubstr("--config"));
}

TEST(Flags, AllProblemsAreReportedAtOnce) {
  const std::string message = usage_error({"--batch-tokens", "0", "--share", "x", "--mode", "swift",
      "--limit", "0", "--layers", "31", "--seed", "-1"});
  EXPECT_THAT(message, HasSubstr("7 problems"));
  EXPECT_THAT(message, HasSubstr("--batch-tokens: expected a number from 1 to 1000000000, got 0"));
  EXPECT_THAT(message, HasSubstr("--share: expected a number, got 'x'"));
  EXPECT_THAT(message, HasSubstr("--mode: expected fast or slow, got 'swift'"));
  EXPECT_THAT(message, HasSubstr("--limit: expected a number above 0, got 0"));
  EXPECT_THAT(message, HasSubstr("--layers: expected a number from 0 to 30, got 31"));
  EXPECT_THAT(message, HasSubstr("--seed: expected a whole number from 0, got '-1'"));
  EXPECT_THAT(message, HasSubstr("a model is needed"));
}

TEST(Flags, NumbersAreReadWholeOrNotAtAll) {
  for (const char* const text : {"", "1x", " 1", "1.5", "0x10", "9223372036854775808", "1e3"}) {
    EXPECT_THAT(
        usage_error({"m", std::string("--batch-tokens=") + text}), HasSubstr("--batch-tokens"))
        << text;
  }
  for (const char* const text : {"inf", "nan", "1e999", "1,5", "0.5 "}) {
    EXPECT_THAT(usage_error({"m", "--share", text}), HasSubstr("--share: expected a number"))
        << text;
  }
}

TEST(Flags, UnknownFlagsSuggestTheClosest) {
  EXPECT_THAT(usage_error({"m", "--batch-token", "3"}), HasSubstr("did you mean --batch-tokens?"));
  EXPECT_THAT(usage_error({"m", "--skipbad"}), HasSubstr("did you mean --skip-bad?"));
  EXPECT_THAT(usage_error({"m", "--shar=3"}), HasSubstr("did you mean --share?"));
  EXPECT_THAT(usage_error({"m", "--elephants"}), ::testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(usage_error({"m", "second"}), HasSubstr("second"));
}

TEST(Flags, HelpShowsDefaultsRangesAndChoices) {
  Options options;
  ::testing::internal::CaptureStdout();
  EXPECT_FALSE(load_options(kText, {"--help"}, options));
  const std::string help = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(help, HasSubstr("--batch-tokens N=1024"));
  EXPECT_THAT(help, HasSubstr("tokens of a batch (from 1 to 1000000000)"));
  EXPECT_THAT(help, HasSubstr("fast|slow"));
  EXPECT_THAT(help, HasSubstr("limit (above 0)"));
  EXPECT_THAT(help, HasSubstr("--config FILE"));
  EXPECT_THAT(help, HasSubstr("salf do m"));
}

struct ManyOptions {
  std::int64_t often = 1;
  std::vector<std::int64_t> seldom = std::vector<std::int64_t>(30);

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    static const char* const names[] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9",
        "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "c0", "c1", "c2", "c3", "c4",
        "c5", "c6", "c7", "c8", "c9"};
    core::begin_group(visit, "First");
    visit(core::Field{"often",
              "an option whose help is much longer than what a line of a "
              "terminal of eighty columns can hold beside its name"}
              .common(),
        self.often);
    core::begin_group(visit, "Second");
    for (std::size_t i = 0; i < 30; ++i) visit(core::Field{names[i], "seldom"}, self.seldom[i]);
  }
};

std::string help_of_many(const std::string& flag) {
  ManyOptions options;
  ::testing::internal::CaptureStdout();
  EXPECT_FALSE(load_options({"do", "Does it", {}, ""}, {flag}, options));
  return ::testing::internal::GetCapturedStdout();
}

TEST(Flags, HelpShowsTheCommonOptionsOfACommandWithManyInGroups) {
  const std::string help = help_of_many("--help");
  EXPECT_THAT(help, HasSubstr("First:\n  --often N=1"));
  EXPECT_THAT(help, ::testing::Not(HasSubstr("--a0")));
  EXPECT_THAT(help, HasSubstr("--help-all shows every option."));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Flags, HelpAllShowsEveryOptionInGroups) {
  const std::string help = help_of_many("--help-all");
  EXPECT_THAT(help, HasSubstr("Second:\n  --a0 N=0"));
  EXPECT_THAT(help, HasSubstr("--c9"));
  EXPECT_THAT(help, ::testing::Not(HasSubstr("shows every option")));
}

TEST(Flags, AnOptionThatHelpLeavesOutIsStillTaken) {
  ManyOptions options;
  EXPECT_TRUE(load_options({"do", "Does it", {}, ""}, {"--b3", "7"}, options));
  EXPECT_EQ(options.seldom[13], 7);
}

TEST(Flags, ATruncatedConfigIsRefusedAtEveryByte) {
  const testing::TemporaryFolder folder;
  const std::string whole =
      R"({"batch_tokens": 7, "mode": "slow", "layers": [1, 2], "limit": null})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string path = config(folder, whole.substr(0, size));
    Options options;
    expect_error(ErrorKind::kBadInput, "config.json: not valid JSON", [&] {
      load_options(kText, {"m", "--config", path}, options);
    });
  }
}

}  // namespace
}  // namespace salf::tools
