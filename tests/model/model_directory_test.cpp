#include "model/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/files.h"
#include "core/json.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::model {
namespace {

using testing::expect_error;

class ModelDirectory : public ::testing::Test {
 protected:
  ModelDirectory() { write("model.pt", "an archive"); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  ModelFiles find() const { return find_model(folder_.path(), ""); }

  testing::TemporaryFolder folder_;
};

TEST_F(ModelDirectory, TakesTokenizerJsonBeforeASentencePieceModel) {
  EXPECT_EQ(find().tokenizer, "");
  const auto pieces = write("tokenizer.model", "\n\x07");
  EXPECT_EQ(find().tokenizer, pieces);
  const auto json = write("tokenizer.json", "{}");
  EXPECT_EQ(find().tokenizer, json);
  EXPECT_EQ(find_model(folder_ / "model.pt", pieces.string()).tokenizer, pieces);
  expect_error(ErrorKind::kIo, "none.model: no such tokenizer file",
      [&] { find_model(folder_.path(), "none.model"); });
}

TEST_F(ModelDirectory, CopiesATokenizerUnderTheNameOfItsKind) {
  for (const std::string content : {"\n\x0e\n\x05<unk>", " {\"model\": {}}"}) {
    const testing::TemporaryFolder other;
    ModelFiles files;
    files.tokenizer = write("some-file.bin", content);
    write("tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
    write_model_files(other.path(), files, {});
    std::ofstream(other / "model.pt") << "an archive";
    const ModelFiles found = find_model(other.path(), "");
    EXPECT_EQ(found.tokenizer.filename(), content[0] == ' ' ? "tokenizer.json" : "tokenizer.model");
    EXPECT_EQ(core::read_file(found.tokenizer), content);
    EXPECT_EQ(core::read_file(other / "tokenizer_config.json"), "{\"bos_token\": \"<s>\"}");
  }
}

TEST_F(ModelDirectory, TheCardIsRefusedAtEveryTruncation) {
  ModelCard card;
  card.architecture = "llama";
  card.context = 128;
  core::write_document(folder_ / "salf.json", card);
  EXPECT_EQ(find().card.context, 128);
  const std::string whole = core::read_file(folder_ / "salf.json");
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    write("salf.json", whole.substr(0, size));
    expect_error(ErrorKind::kBadInput, "salf.json: not valid JSON", [&] { find(); });
  }
}

TEST_F(ModelDirectory, NamesWhatIsWrongInTheCardAndTheConfig) {
  const auto expect_card_refused = [&](const std::string& fields, const std::string& message) {
    write("salf.json", R"({"schema": "salf.model/1", )" + fields + "}");
    expect_error(ErrorKind::kBadInput, "salf.json: " + message, [&] { find(); });
  };
  expect_card_refused(R"("context": -1)", "context");
  expect_card_refused(R"("context": 1e9)", "context: expected a whole number");
  expect_card_refused(R"("context": 9223372036854775807)", "context");
  expect_card_refused(R"("context": 1, "context": 2)", "the key \"context\" occurs twice");
  expect_card_refused(R"("contxt": 1)", "unknown key \"contxt\"; did you mean \"context\"?");
  std::filesystem::remove(folder_ / "salf.json");
  for (const char* const config :
      {R"({"n_positions": 0})", R"({"n_positions": 18446744073709551615})",
          R"({"n_positions": "many"})", R"({"max_position_embeddings": 9223372036854775807})"}) {
    write("config.json", config);
    expect_error(ErrorKind::kBadModel, "config.json: ", [&] { find(); });
  }
  write("config.json", "[7]");
  EXPECT_EQ(find().card.context, 0);
}

}  // namespace
}  // namespace salf::model
