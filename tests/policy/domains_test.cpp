#include "policy/domains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace salf::policy {
namespace {

// Falls from 1 to 0.5 at block `at`, then to 0.4; of each hundred replicates `others` fall at
// block 1.
types::Deviation step(std::int64_t at, int others = 0) {
  const auto curve = [](std::int64_t place) {
    std::vector<double> values;
    for (std::int64_t space = 0; space <= 6; ++space)
      values.push_back(space == 6 ? 0.4 : space < place ? 1.0 : 0.5);
    return values;
  };
  types::Deviation deviation;
  deviation.documents = 10;
  deviation.positions = 100;
  deviation.deviation = curve(at);
  for (std::size_t i = 0; i < 6; ++i)
    deviation.gain.push_back(deviation.deviation[i] - deviation.deviation[i + 1]);
  deviation.standard_error.assign(7, 0.001);
  deviation.gain_error.assign(6, 0.001);
  for (int r = 0; r < 100; ++r) deviation.replicates.push_back(curve(r < others ? 1 : at));
  return deviation;
}

types::LayerProfile profile(const std::vector<types::DomainMeasure>& domains) {
  types::LayerProfile profile;
  profile.shape.blocks = 6;
  profile.deviations.push_back(step(3));
  profile.domains.emplace();
  profile.domains->domains = domains;
  choose_for_domains(profile, {});
  return profile;
}

TEST(ChooseForDomains, OneCutServesDomainsThatAgree) {
  const types::LayerProfile chosen = profile({{"a", step(3), {}}, {"b", step(3), {}}});
  ASSERT_EQ(chosen.domains->agreements.size(), 3U);
  const types::DomainAgreement& gain = chosen.domains->agreements[0];
  EXPECT_EQ(gain.rule, types::Rule::kMaxGain);
  EXPECT_TRUE(gain.serves_all);
  EXPECT_EQ(gain.cut, 3);
  EXPECT_EQ(chosen.domains->domains[1].choices[0].cut, 3);
  EXPECT_TRUE(chosen.domains->domains[1].deviation.replicates.empty());
}

TEST(ChooseForDomains, NamesTheDomainsThatDisagree) {
  const types::DomainAgreement gain =
      profile({{"deep", step(5), {}}, {"shallow", step(2), {}}}).domains->agreements[0];
  EXPECT_FALSE(gain.serves_all);
  EXPECT_EQ(gain.shallowest, "shallow");
  EXPECT_EQ(gain.deepest, "deep");
  EXPECT_EQ(gain.low, 5);
  EXPECT_EQ(gain.high, 2);
  EXPECT_EQ(gain.cut, 2);
}

TEST(ChooseForDomains, ADomainThatIsUnsureGivesWay) {
  // A tenth of the resamples say 1: what "shallow" is sure of lies within the range of "unsure".
  const types::DomainAgreement gain =
      profile({{"unsure", step(5, 10), {}}, {"shallow", step(2), {}}}).domains->agreements[0];
  EXPECT_TRUE(gain.serves_all);
  EXPECT_EQ(gain.cut, 2);
}

TEST(ChooseForDomains, OneDomainAgreesWithNobody) {
  EXPECT_TRUE(profile({{"a", step(3), {}}}).domains->agreements.empty());
}

TEST(ChooseForDomains, TheRulesLookAtTheVocabularysPositions) {
  types::LayerProfile chosen;
  chosen.deviations.push_back(step(3));
  chosen.vocabulary.emplace();
  chosen.vocabulary->deviations.push_back(step(5));
  choose_for_domains(chosen, {});
  EXPECT_EQ(chosen.vocabulary->choices_with[0].cut, 5);
  EXPECT_EQ(chosen.vocabulary->choices_without[0].cut, 3);
  EXPECT_EQ(all_choices(chosen, {})[0].cut, 5);
  EXPECT_EQ(deviation_of(chosen, types::Measure::kCosine).deviation, step(5).deviation);
  EXPECT_THROW(deviation_of(chosen, types::Measure::kLoss), Error);
}

}  // namespace
}  // namespace salf::policy
