#include <gtest/gtest.h>

#include "app/evidence/analysis.h"

namespace salf::app {
namespace {

// Four documents of eight tokens, two to a batch.
class CountedEpochs : public ::testing::Test {
 protected:
  CountedEpochs() {
    data::Document document;
    document.ids.assign(8, 7);
    document.labels = document.ids;
    dataset_.documents.assign(4, document);
    dataset_.splits.assign(4, data::Split::kTrain);
  }

  std::optional<double> of(const std::string& budget, std::int64_t accumulate = 1) const {
    return counted_epochs(types::parse_budget(budget), accumulate,
        data::Batcher(dataset_, dataset_.indices(data::Split::kTrain), {16, 0}, 0));
  }

  data::Dataset dataset_;
};

TEST_F(CountedEpochs, AreThoseOfStepsTokensAndEpochs) {
  EXPECT_DOUBLE_EQ(*of("5epochs"), 5.0);
  EXPECT_DOUBLE_EQ(*of("5steps"), 2.5);
  EXPECT_DOUBLE_EQ(*of("5steps", 4), 10.0);
  EXPECT_DOUBLE_EQ(*of("48tokens"), 1.5);
}

TEST_F(CountedEpochs, AreNotKnownOfAnyOtherBudget) {
  for (const char* budget : {"3m", "1e15FLOP", "40%", "5USD", "0.3kWh"})
    EXPECT_FALSE(of(budget)) << budget;
  dataset_.documents.clear();
  dataset_.splits.clear();
  EXPECT_FALSE(of("5epochs"));
}

TEST(ShortCalibration, MeasuresATwentiethOfFewDocumentsAndDrawsNoMore) {
  const calibration::CalibrationOptions usual;
  for (const auto& [trained, measured] :
      std::vector<std::pair<double, std::int64_t>>{{20, 16}, {600, 30}, {1e6, usual.documents}}) {
    const calibration::CalibrationOptions options = short_calibration(usual, trained);
    EXPECT_EQ(options.documents, measured);
    EXPECT_EQ(options.stability, 0.0);
  }
  EXPECT_EQ(short_calibration(usual, std::nullopt).documents, usual.documents);
}

TEST(ShortCalibration, KeepsTheNumberThatWasAskedFor) {
  calibration::CalibrationOptions asked;
  asked.documents = 50;
  EXPECT_EQ(short_calibration(asked, 20.0).documents, 50);
}

}  // namespace
}  // namespace salf::app
