#include "types/reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace salf::types {
namespace {

Reason with(ReasonCode code, double value, std::optional<double> before) {
  Reason reason{code};
  reason.value = value;
  reason.low = value - 0.1;
  reason.high = value + 0.1;
  reason.before = before;
  reason.cut = 8;
  reason.steps = 1200;
  return reason;
}

TEST(ReasonText, JoinsItsPartsToOneSentence) {
  const Text text = reason_text({{ReasonCode::kShallowestAsGood},
      with(ReasonCode::kPredictedLoss, 1.5, 2.0), with(ReasonCode::kFullLoss, 1.25, 2.0)});
  EXPECT_EQ(text.en,
      "of what the budget pays for, the shallowest that the prediction cannot tell from the best, "
      "1.5 (1.4 to 1.6), from 2 before, full fine-tuning 1.25");
  EXPECT_EQ(text.ja,
      "予算で賄える候補のうち、予測では最良と区別できない最も浅い切断位置である。予測損失は "
      "1.5（1.4〜1.6、学習前は 2）、全層の微調整では 1.25");
}

TEST(ReasonText, GivesSharesWhereTheLossBeforeIsNotKnown) {
  EXPECT_EQ(reason_text({{ReasonCode::kLowestLoss}, with(ReasonCode::kPredictedLoss, 0.5, {})}).en,
      "of what the budget pays for, the lowest predicted loss or as good as that, 50 % (40 % to 60 "
      "%) of the loss before");
  EXPECT_EQ(reason_text({with(ReasonCode::kEndMoved, 0.5, {})}).en,
      "1,200 steps there are predicted to end at 50 % of the loss before");
}

TEST(ReasonText, HasWordsForEachCodeAndLeavesNoFigureOpen) {
  for (const auto& [code, name] : enum_names(ReasonCode{})) {
    Reason reason = with(code, 1.5, 2.0);
    reason.unit = BudgetUnit::kEpochs;
    const Text text = reason_text({reason});
    for (const std::string& one : {text.en, text.ja}) {
      EXPECT_NE(one, "") << name;
      EXPECT_EQ(one.find_first_of("{}"), std::string::npos) << one;
    }
  }
}

}  // namespace
}  // namespace salf::types
