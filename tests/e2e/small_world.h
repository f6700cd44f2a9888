// A folder with a tiny model and a few rows, and the program run in it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "program.h"
#include "support/temporary_folder.h"

namespace salf::testing {

// Writes model/ (a tied decoder of 4 blocks, with a byte-level tokenizer) and rows.jsonl (150
// questions with answers).
void write_small_world(const std::filesystem::path& folder);

// A small world in a folder of its own.
class SmallWorld : public ::testing::Test {
 protected:
  SmallWorld();

  ProgramResult salf(std::vector<std::string> arguments) const;
  ProgramResult salf(std::vector<std::string> arguments, ProgramSetting setting) const;
  // The same, expecting exit code 0.
  void succeeds(std::vector<std::string> arguments) const;

  std::string text(const std::string& file) const;
  void write(const std::string& file, const std::string& text) const;
  core::Json json(const std::string& file) const;
  // A model of this vocabulary.
  void write_model(const std::string& archive, int vocabulary) const;
  // Sets a parameter of the model to this value everywhere.
  void fill_parameter(const std::string& name, double value) const;
  // The bytes of every parameter of an archive, by name.
  std::map<std::string, std::string> parameters(const std::string& archive) const;
  bool exists(const std::string& file) const { return std::filesystem::exists(folder_ / file); }

  TemporaryFolder folder_;
};

}  // namespace salf::testing
