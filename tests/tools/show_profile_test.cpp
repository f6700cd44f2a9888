#include "text/show_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace salf::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

types::Deviation deviation(types::Measure measure, std::vector<double> values) {
  types::Deviation result;
  result.measure = measure;
  result.documents = 64;
  result.positions = 1234567;
  result.deviation = std::move(values);
  for (std::size_t i = 0; i + 1 < result.deviation.size(); ++i) {
    result.gain.push_back(result.deviation[i] - result.deviation[i + 1]);
  }
  result.standard_error.assign(result.deviation.size(), 0.0123);
  result.gain_error.assign(result.gain.size(), 0.0045);
  return result;
}

types::LayerProfile profile() {
  types::LayerProfile profile;
  profile.tokens = 45678;
  profile.deviations.push_back(deviation(types::Measure::kCosine, {0.97, 0.95, 0.6, 0.55}));
  profile.deviations.push_back(deviation(types::Measure::kLoss, {12345.678, 1234.5, 9.87, 1.23}));
  return profile;
}

std::vector<types::RuleChoice> choices() {
  std::vector<types::RuleChoice> all;
  for (const auto rule :
      {types::Rule::kMaxGain, types::Rule::kMinDeviation, types::Rule::kThreshold}) {
    for (const auto measure : {types::Measure::kCosine, types::Measure::kLoss}) {
      all.push_back({rule, measure, 2, 0.87, 1, 2});
    }
  }
  return all;
}

TEST(ProfileText, StaysWithinEightyPlainColumns) {
  std::istringstream lines(profile_text(profile(), choices()));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(ProfileText, ShowsTheFiguresAndTheCuts) {
  const std::string text = profile_text(profile(), choices());
  EXPECT_THAT(text,
      HasSubstr(
          "    2  0.6000 +-0.0123   0.3500 +-0.0045  9.8700 +-0.0123  ##           GgMmTt\n"));
  EXPECT_THAT(text,
      HasSubstr("    0  0.9700 +-0.0123                    "));  // no block before the embedding
  EXPECT_THAT(text, HasSubstr("max-gain G      cosine               2            87 %  1 and 2\n"));
}

TEST(ProfileText, WithoutLossThereIsNoSuchColumn) {
  types::LayerProfile cosine_only = profile();
  cosine_only.deviations.pop_back();
  const std::string text = profile_text(cosine_only, {});
  EXPECT_THAT(text, Not(HasSubstr("loss")));
  EXPECT_THAT(text, HasSubstr("    3  0.5500 +-0.0123   0.0500 +-0.0045  #\n"));
}

TEST(ProfileText, UnknownErrorsAreADash) {
  types::LayerProfile two = profile();
  two.deviations[0].standard_error[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(profile_text(two, {}), HasSubstr("    1  0.9500 +-     -"));
}

}  // namespace
}  // namespace salf::tools
