#include "types/model_shape.h"

#include "support/sample_documents.h"

namespace salf::types {
namespace {

TEST(ModelShape, CountsWhatIsTrained) {
  const ModelShape shape = support::sample_shape();
  EXPECT_EQ(shape.trained_parameters(0), 134515008);  // SmolLM2-135M's own figure
  EXPECT_EQ(shape.trained_parameters(1), 29 * 3540096 + 576);
  EXPECT_EQ(shape.trained_parameters(29), 3540096 + 576);
}

TEST(ModelShape, LeavesAnUntiedHeadFrozenBelowFullTuning) {
  ModelShape shape = support::sample_shape(2);
  shape.tied = false;
  shape.head_parameters = 576 * 49152;
  shape.parameters += shape.head_parameters;
  EXPECT_EQ(shape.trained_parameters(0), shape.parameters);
  EXPECT_EQ(shape.trained_parameters(1), 3540096 + 576);
}

}  // namespace
}  // namespace salf::types
