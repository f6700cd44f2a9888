// A tuned model leaves for other tools.
#include <gmock/gmock.h>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;

class ExportCommand : public SmallWorld {
 protected:
  static constexpr int kUsage = 2, kBadModel = 4, kIo = 5;

  void SetUp() override {
    succeeds({"import", std::string(SALF_TEST_DATA) + "/import_hf/smollm2", "-o", "imported"});
  }

  void expect_refused(const ProgramResult& result, int code, const std::string& message) const {
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(result.out, "");
  }
};

TEST_F(ExportCommand, AnExportIsImportedAgain) {
  succeeds({"export", "imported", "--to", "hf", "-o", "hf"});
  succeeds({"import", "hf", "-o", "again"});
  EXPECT_EQ(parameters("again/model.pt"), parameters("imported/model.pt"));
  EXPECT_EQ(json("hf/export.json")["schema"], "salf.export/1");
  const ProgramResult result =
      salf({"export", "imported", "--to", "torchscript", "-o", "copy.pt", "--json"});
  EXPECT_EQ(core::parse_json(result.out, "stdout")["format"], "torchscript");
  EXPECT_EQ(text("copy.pt"), text("imported/model.pt"));
}

TEST_F(ExportCommand, AModelThatWasNotImportedLeavesAsTorchScript) {
  expect_refused(
      salf({"export", "model", "--to", "hf", "-o", "hf"}), kBadModel, "--to torchscript");
  expect_refused(
      salf({"export", "model", "--to", "gguf", "-o", "a.gguf"}), kBadModel, "--to torchscript");
  EXPECT_FALSE(exists("hf"));
  EXPECT_FALSE(exists("a.gguf"));
  succeeds({"train", "model", "--data", "rows.jsonl", "--eof", "2", "--rule", "fixed", "--budget",
      "2steps", "-o", "run"});
  succeeds({"export", "run", "--to", "torchscript", "-o", "copy.pt"});
  EXPECT_EQ(text("copy.pt"), text("run/model.pt"));
}

TEST_F(ExportCommand, WhatGoesWrongLeavesNothing) {
  ProgramSetting full;
  full.file_size_limit = 2000;
  expect_refused(salf({"export", "imported", "--to", "hf", "-o", "hf"}, full), kIo, "no room");
  EXPECT_FALSE(exists("hf/model.safetensors"));
  EXPECT_FALSE(exists("hf/config.json"));
  expect_refused(
      salf({"export", "imported", "--to", "torchscript", "-o", "copy.pt"}, full), kIo, "no room");
  EXPECT_FALSE(exists("copy.pt"));
  expect_refused(
      salf({"export", "imported", "--to", "hf", "-o", "rows.jsonl"}), kUsage, "rows.jsonl");
  expect_refused(salf({"export", "imported", "--to", "hf", "-o", "hf", "--type", "f16"}), kUsage,
      "--type is for --to gguf");
  expect_refused(salf({"export", "imported", "--to", "gguf", "-o", "a.gguf"}), kBadModel,
      "needs a tokenizer, and the model has none");
  EXPECT_FALSE(exists("a.gguf"));
  succeeds({"export", "imported", "--to", "hf", "-o", "hf"});
  expect_refused(salf({"export", "imported", "--to", "hf", "-o", "hf"}), kUsage, "--force");
}

}  // namespace
}  // namespace salf::testing
