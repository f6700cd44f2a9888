// Where do the tests of tokenizers get their files from?
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

inline std::filesystem::path golden_tokenizer(const std::string& name) {
  return std::filesystem::path(SALF_TEST_DATA) / "tokenizer" / name;
}

inline core::Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return core::Json::parse(file);
}

// Decodes the ids that are not special (Hugging Face's skip_special_tokens).
inline std::string decode_without_special(
    const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids) {
  std::vector<std::int64_t> kept;
  for (const std::int64_t id : ids) {
    if (!tokenizer.is_special(id)) kept.push_back(id);
  }
  return tokenizer.decode(kept);
}

// A folder of its own for each test.
class TokenizerFiles : public ::testing::Test {
 protected:
  TokenizerFiles() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("salf_tokenizer_" + std::to_string(::getpid()) + "_" + info->name());
    std::filesystem::create_directories(folder_);
  }
  ~TokenizerFiles() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::unique_ptr<Tokenizer> load(const std::string& text) const {
    write("tokenizer.json", text);
    return load_tokenizer(folder_ / "tokenizer.json");
  }
  std::unique_ptr<Tokenizer> load(const core::Json& file) const { return load(file.dump()); }
  // The message of the error, which must be a bad input and name the file.
  std::string refusal(const std::string& text) const {
    try {
      load(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
      EXPECT_THAT(error.what(), ::testing::HasSubstr("tokenizer"));
      return error.what();
    }
    return "accepted";
  }
  // gpt2's file with the value at a JSON pointer replaced.
  std::string refusal(const std::string& pointer, const core::Json& value) const {
    core::Json file = read_json(golden_tokenizer("gpt2/tokenizer.json"));
    file[core::Json::json_pointer(pointer)] = value;
    return refusal(file.dump());
  }

  std::filesystem::path folder_;
};

}  // namespace salf::data
