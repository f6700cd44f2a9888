#include "commands/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flags.h"

namespace salf::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const CommandText kExportText = {"export", "", {"model"}, ""};

ExportOptions parse_export(const std::vector<std::string>& arguments) {
  ExportOptions options;
  EXPECT_TRUE(load_options(kExportText, arguments, options));
  return options;
}

std::string export_usage_error(const std::vector<std::string>& arguments) {
  try {
    parse_export(arguments);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
    return error.what();
  }
}

TEST(ExportOptions, ReadsEachFormatsFlags) {
  const ExportOptions hf =
      parse_export({"run", "--to", "hf", "--dtype", "bf16", "--shard-bytes", "1000", "-o", "out"});
  EXPECT_EQ(hf.model, "run");
  EXPECT_EQ(*hf.dtype, convert::HfDtype::kBF16);
  EXPECT_EQ(*hf.shard_bytes, 1000);
  EXPECT_EQ(*parse_export({"run", "--to", "gguf", "--type", "q8_0", "-o", "out"}).type,
      convert::GgufType::kQ8_0);
  EXPECT_FALSE(parse_export({"run", "--to", "gguf", "-o", "out"}).type.has_value());
}

TEST(ExportOptions, NamesEverythingThatIsMissing) {
  EXPECT_THAT(export_usage_error({}), AllOf(HasSubstr("no model"), HasSubstr("no output"),
                                          HasSubstr("--to hf, gguf or torchscript")));
}

TEST(ExportOptions, RefusesFlagsOfAnotherFormat) {
  EXPECT_THAT(export_usage_error({"run", "--to", "hf", "-o", "out", "--type", "f16"}),
      HasSubstr("--type is for --to gguf, not for hf"));
  EXPECT_THAT(export_usage_error({"run", "--to", "gguf", "-o", "out", "--dtype", "f16",
                  "--shard-bytes", "5", "--trust-model"}),
      AllOf(HasSubstr("3 problems"), HasSubstr("--dtype is for --to hf, not for gguf"),
          HasSubstr("--shard-bytes"),
          HasSubstr("--trust-model is for --to torchscript, not for gguf")));
  EXPECT_THAT(export_usage_error({"run", "--to", "torchscript", "-o", "out", "--type", "f32"}),
      HasSubstr("not for torchscript"));
  EXPECT_THAT(export_usage_error({"run", "--to", "onnx", "-o", "out"}),
      HasSubstr("--to: expected hf, gguf or torchscript, got 'onnx'"));
  EXPECT_THAT(export_usage_error({"run", "--to", "gguf", "-o", "out", "--type", "q4_0"}),
      HasSubstr("--type: expected f32, f16 or q8_0"));
  EXPECT_THAT(export_usage_error({"run", "--to", "hf", "-o", "out", "--shard-bytes", "0"}),
      HasSubstr("--shard-bytes"));
}

}  // namespace
}  // namespace salf::tools
