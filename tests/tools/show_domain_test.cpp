#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "text/show_profile.h"

namespace salf::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

types::LayerProfile profile(const std::string& name) {
  types::LayerProfile profile;
  types::Deviation measured;
  measured.positions = 12345;
  measured.documents = 64;
  profile.deviations.push_back(measured);
  profile.vocabulary.emplace();
  profile.vocabulary->source = name;
  profile.vocabulary->tokens = 305;
  profile.vocabulary->examples = {name, " miles"};
  profile.vocabulary->unknown_words = 1;
  profile.vocabulary->unknown = {name};
  measured.positions = 678;
  profile.vocabulary->deviations.push_back(measured);
  const types::RuleChoice with{types::Rule::kMaxGain, types::Measure::kCosine, 20, 0.9, 19, 22};
  const types::RuleChoice without{types::Rule::kMaxGain, types::Measure::kCosine, 21, 0.9, 21, 24};
  profile.vocabulary->choices_with = {with};
  profile.vocabulary->choices_without = {without};
  profile.domains.emplace();
  profile.domains->domains = {{name, measured, {with}}, {"other", measured, {without}}};
  profile.domains->agreements = {{types::Rule::kMaxGain, true, 21, 22, 21, "", ""},
      {types::Rule::kMinDeviation, false, 24, 20, 20, name, "other"}};
  profile.domains->others = 7;
  return profile;
}

TEST(DomainText, ShowsBothCutsAndEachDomain) {
  const std::string text = domain_text(profile("maths"));
  EXPECT_THAT(text, HasSubstr("max-gain       cosine  20 (19-22)    21 (21-24)\n"));
  EXPECT_THAT(text, HasSubstr("the labels of 678 of 12,345 positions;\n"));
  EXPECT_THAT(
      text, HasSubstr("maths                        64  20 (19-22)     -              -\n"));
  EXPECT_THAT(text, HasSubstr("max-gain: one cut serves all, 21 (any from 21 to 22).\n"));
  EXPECT_THAT(text, HasSubstr("min-deviation: no cut serves all: \"other\" wants at least 24 "
                              "frozen blocks,\n\"maths\" at most 20"));
  EXPECT_THAT(text, HasSubstr("(7 domains"));
  EXPECT_EQ(domain_text({}), "");
}

TEST(DomainText, EscapesNamesAndStaysWithinItsWidth) {
  const std::string hostile =
      "\x1b[31m<b>\xE5\xBE\xAE\xE8\xAA\xBF\xE6\x95\xB4" + std::string(300, 'x') + "\r\n\xff";
  for (const std::size_t width : {40U, 80U}) {
    const std::string text = domain_text(profile(hostile), width);
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\r")));
    EXPECT_THAT(text, HasSubstr("\\x1B[31m"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("xxx") != std::string::npos) continue;  // a word longer than a line stays whole
      EXPECT_LE(line.size(), width + 4) << line;
    }
  }
}

}  // namespace
}  // namespace salf::tools
