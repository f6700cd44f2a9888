#include "types/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace salf::types {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Gate, ReadsMetricsWithTheirUnits) {
  EXPECT_EQ(parse_gate("dev_loss<=1.6").limit, 1.6);
  EXPECT_EQ(parse_gate("loss_increase <= -0.25").limit, -0.25);
  const Gate accuracy = parse_gate("end:dev_accuracy>=55%");
  EXPECT_EQ(accuracy.metric, GateMetric::kDevAccuracy);
  EXPECT_EQ(accuracy.comparison, GateComparison::kAtLeast);
  EXPECT_TRUE(accuracy.at_end);
  EXPECT_DOUBLE_EQ(accuracy.limit, 0.55);
  EXPECT_EQ(parse_gate("seconds<=1h30m").limit, 5400.0);
  EXPECT_EQ(parse_gate("peak_memory<=2GiB").limit, 2147483648.0);
}

TEST(Gate, IsReadBackFromItsText) {
  for (const char* text : {"dev_loss<=1.6", "loss_increase<=-0.25", "end:dev_accuracy>=55%",
           "seconds<=5400s", "peak_memory<=2147483648"}) {
    EXPECT_EQ(format_gate(parse_gate(text)), text);
  }
}

TEST(Gate, RefusesWhatItCannotRead) {
  for (const char* text :
      {"", "dev_loss", "dev_loss<1.6", "dev_loss==1.6", "dev_loss=<1.6", "loss<=1",
          "dev_loss<=", "dev_loss<=nan", "dev_loss<=1.6x", "dev_accuracy>=55", "dev_accuracy>=-1%",
          "seconds<=5steps", "seconds<=abc", "peak_memory<=lots", "start:dev_loss<=1"}) {
    EXPECT_THAT(gate_problems({text}), ElementsAre(HasSubstr("--gate"))) << text;
  }
}

TEST(Gate, RefusesGatesThatContradict) {
  EXPECT_THAT(gate_problems({"dev_loss<=1.6", "dev_loss>=1.7"}),
      ElementsAre(HasSubstr("no run passes both")));
  EXPECT_THAT(gate_problems({"end:dev_loss<=1.6", "dev_loss>=1.7"}),
      ElementsAre(HasSubstr("no run passes both")));
  EXPECT_THAT(gate_problems({"dev_loss<=1.6", "dev_loss<=1.7"}),
      ElementsAre(HasSubstr("limit the same figure")));
  EXPECT_THAT(gate_problems({"dev_loss<=1.6", "end:dev_loss<=1.5", "dev_loss>=0.1", "seconds<=60"}),
      IsEmpty());
}

}  // namespace
}  // namespace salf::types
