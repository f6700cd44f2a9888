#include "train/run/checkpoint.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "training_setup.h"

namespace salf::train {
namespace {

Checkpoint example(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.identity["model_hash"] = "abc";
  checkpoint.identity["learning_rate"] = 0.001;
  checkpoint.run.state.step = step;
  checkpoint.run.state.epoch = 2;
  checkpoint.course.cooldown_start = 40;
  checkpoint.run.state.best = types::DevEvaluation{5, 1.5, 0.25, 0.1};
  checkpoint.run.state.evaluations = {{0, 2.0, 0.5, 0.1}, {5, 1.5, 0.25, 0.1}};
  checkpoint.run.tensors = {
      {"weight/a", at::arange(6, at::kFloat).view({2, 3})}, {"adam/step/a", at::full({}, 3.0F)}};
  return checkpoint;
}

TEST(Checkpoint, ComesBackAsItWas) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_latest_checkpoint(folder.path()).has_value());
  write_checkpoint(folder.path(), example(7));
  const Checkpoint back = *read_latest_checkpoint(folder.path());
  EXPECT_EQ(core::to_json(back.run.state), core::to_json(example(7).run.state));
  EXPECT_EQ(core::to_json(back.course), core::to_json(example(7).course));
  EXPECT_EQ(back.identity, example(7).identity);
  ASSERT_EQ(back.run.tensors.size(), 2U);
  EXPECT_EQ(back.run.tensors[0].name, "weight/a");
  EXPECT_TRUE(at::equal(back.run.tensors[0].tensor, example(7).run.tensors[0].tensor));
  EXPECT_EQ(back.run.tensors[1].tensor.dim(), 0);
}

TEST(Checkpoint, OptionsOfFormerNamesAreThePresentOnes) {
  const TemporaryFolder folder;
  Checkpoint former = example(7);
  former.identity["options"] = {{"prior", ""}, {"probe", "a.json"}, {"no_probes", true}, {"z", 1}};
  Identity present = former.identity;
  present["options"] = {{"prior", ""}, {"trials", "a.json"}, {"no_trials", true}, {"z", 1}};
  write_checkpoint(folder.path(), former);
  EXPECT_NO_THROW(check_identity(read_latest_checkpoint(folder.path())->identity, present));
  present["options"]["trials"] = "b.json";
  EXPECT_THROW(check_identity(read_latest_checkpoint(folder.path())->identity, present), Error);
}

TEST(Checkpoint, KeepsTheLastTwo) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {9, 10, 11, 100}) write_checkpoint(folder.path(), example(step));
  EXPECT_EQ(read_latest_checkpoint(folder.path())->run.state.step, 100);
  std::int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    files += entry.path().extension() == ".safetensors" ? 1 : 0;
  }
  EXPECT_EQ(files, 2);
  remove_checkpoints(folder.path());
  EXPECT_FALSE(read_latest_checkpoint(folder.path()).has_value());
}

TEST(Checkpoint, DamageIsNamed) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), example(7));
  const auto path = std::filesystem::directory_iterator(folder.path())->path();
  const std::string bytes = core::read_file(path);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));
    try {
      read_latest_checkpoint(folder.path());
      ADD_FAILURE() << "read with " << size << " bytes";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("checkpoint-"), std::string::npos) << error.what();
    }
  }
}

TEST(Checkpoint, WhatChangedIsNamedWithBothValues) {
  const Identity saved = example(1).identity;
  EXPECT_NO_THROW(check_identity(saved, saved));
  Identity present = saved;
  present["learning_rate"] = 0.01;
  present["model_hash"] = "def";
  present["new"] = 1;
  try {
    check_identity(saved, present);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    const std::string text = error.what();
    EXPECT_NE(text.find("learning_rate was 0.001, is 0.01"), std::string::npos) << text;
    EXPECT_NE(text.find("model_hash was \"abc\", is \"def\""), std::string::npos) << text;
    EXPECT_NE(text.find("new was not set, is 1"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace salf::train
