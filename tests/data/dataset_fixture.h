// Data files in a folder of their own, loaded with bytes as tokens.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "support/byte_tokenizer.h"
#include "tensor/batch.h"

namespace salf::data {

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("salf-dataset-test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~DatasetTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  // Without splits, so that small files do not happen to have no train split.
  static DataOptions whole(const std::filesystem::path& path) {
    DataOptions options;
    options.data = {path.string()};
    options.dev_share = options.test_share = 0.0;
    return options;
  }

  static Dataset load(const DataOptions& options, std::int64_t context = 0, bool bos = false) {
    core::Progress quiet;
    return load_dataset(options, salf::testing::ByteTokenizer(bos), context, quiet);
  }

  Dataset load_text(const std::string& name, const std::string& bytes) const {
    return load(whole(write(name, bytes)));
  }

  static std::string failure(
      const DataOptions& options, ErrorKind kind = ErrorKind::kBadInput, std::int64_t context = 0) {
    try {
      load(options, context);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  std::string failure_of(const std::string& name, const std::string& bytes) const {
    return failure(whole(write(name, bytes)));
  }

  std::filesystem::path folder_;
};

inline std::string text_of(const Document& document) {
  return salf::testing::ByteTokenizer().decode(document.ids);
}

// What carries loss, eos as "$".
inline std::string loss_text(const Document& document) {
  std::string text;
  for (const std::int64_t label : document.labels) {
    if (label != tensor::kNoLabel)
      text += label == salf::testing::ByteTokenizer::kEos ? '$' : static_cast<char>(label);
  }
  return text;
}

}  // namespace salf::data
