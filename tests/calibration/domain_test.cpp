// The measure over a domain's words, and of each domain by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <fstream>
#include <numeric>
#include <string>

#include "calibration/calibrate.h"
#include "calibration/domain_vocabulary.h"
#include "core/json.h"
#include "core/signals.h"
#include "model/script_model.h"
#include "random_documents.h"
#include "support/byte_tokenizer.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace salf::calibration {
namespace {

using salf::testing::ByteTokenizer;
using salf::testing::expect_error;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

constexpr int kDepth = 3;
constexpr int kIds = 264;

class Domains : public ::testing::Test {
 protected:
  types::LayerProfile run() {
    CalibrationOptions options;
    options.documents = 1000;  // all there are
    options.loss_positions = 0.5;
    const auto profile = calibrate(graph_, dataset_, options, setting_, progress_);
    EXPECT_TRUE(profile.has_value());
    return *profile;
  }

  static std::vector<std::int64_t> ids(std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(end - begin));
    std::iota(all.begin(), all.end(), begin);
    return all;
  }

  static void expect_near(const types::Deviation& a, const types::Deviation& b) {
    EXPECT_EQ(a.positions, b.positions);
    EXPECT_EQ(a.documents, b.documents);
    EXPECT_THAT(a.deviation, Pointwise(DoubleNear(1e-5), b.deviation));
    EXPECT_THAT(a.standard_error, Pointwise(DoubleNear(1e-5), b.standard_error));
    EXPECT_THAT(a.gain_error, Pointwise(DoubleNear(1e-5), b.gain_error));
  }

  model::ScriptModel model_{support::make_tiny_decoder(kDepth, 16, kIds, 3)};
  model::GraphCut graph_{model_, ""};
  data::Dataset dataset_ = random_documents(40, 'a', 26, 6);
  CalibrationSetting setting_{64, 0, kIds, 11, 200, std::nullopt};
  core::Progress progress_;
};

TEST_F(Domains, TheWholeVocabularyIsNoRestrictionBitForBit) {
  setting_.vocabulary = ids(0, kIds);
  const types::LayerProfile profile = run();
  ASSERT_TRUE(profile.vocabulary.has_value());
  ASSERT_EQ(profile.vocabulary->deviations.size(), 2U);
  EXPECT_EQ(core::to_json(profile.vocabulary->deviations), core::to_json(profile.deviations));
}

TEST_F(Domains, WithoutAVocabularyNothingIsAdded) {
  const types::LayerProfile profile = run();
  EXPECT_FALSE(profile.vocabulary.has_value());
  EXPECT_FALSE(profile.domains.has_value());
}

TEST_F(Domains, AVocabularyLeavesTheMeasureOfAllPositionsAsItIs) {
  const types::LayerProfile plain = run();
  setting_.vocabulary = ids('a', 'h');
  EXPECT_EQ(core::to_json(run().deviations), core::to_json(plain.deviations));
}

TEST_F(Domains, ARestrictionMeasuresThosePositionsAlone) {
  setting_.vocabulary = ids('a', 'm');
  const types::LayerProfile restricted = run();
  for (data::Document& document : dataset_.documents) {
    for (std::int64_t& label : document.labels) label = label >= 'm' ? tensor::kNoLabel : label;
  }
  setting_.vocabulary.reset();
  const types::LayerProfile masked = run();
  ASSERT_EQ(restricted.vocabulary->deviations.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i)
    expect_near(restricted.vocabulary->deviations[i], masked.deviations[i]);
  EXPECT_LT(masked.deviations[0].positions, restricted.deviations[0].positions);
}

TEST_F(Domains, ADomainIsTheAnalysisOfItsDocuments) {
  dataset_.domains = {"first", "second"};
  for (std::size_t i = 0; i < dataset_.documents.size(); ++i)
    dataset_.documents[i].domain = i % 4 == 0 ? -1 : i % 4 == 1 ? 1 : 0;
  const types::LayerProfile all = run();
  ASSERT_TRUE(all.domains.has_value());
  ASSERT_EQ(all.domains->domains.size(), 2U);
  EXPECT_EQ(all.domains->domains[0].name, "first");  // the one with more documents
  EXPECT_EQ(all.domains->unnamed_documents, 10);
  EXPECT_EQ(all.domains->others, 0);
  for (std::size_t i = 0; i < dataset_.documents.size(); ++i) {
    if (dataset_.documents[i].domain != 0) dataset_.splits[i] = data::Split::kTest;
  }
  expect_near(all.domains->domains[0].deviation, run().deviations[0]);
}

TEST_F(Domains, OnlySoManyDomainsAreMeasuredAndNoneOfAFewDocuments) {
  dataset_ = random_documents(kFewestDomainDocuments * 30 + 2, 'a', 26, 6);
  for (std::size_t i = 0; i < dataset_.documents.size(); ++i) {
    const std::size_t domain = i / static_cast<std::size_t>(kFewestDomainDocuments);
    if (domain == dataset_.domains.size())
      dataset_.domains.push_back("domain " + std::to_string(domain));
    dataset_.documents[i].domain = static_cast<std::int64_t>(domain);
  }
  const types::LayerProfile profile = run();
  EXPECT_EQ(profile.domains->domains.size(), kMostDomains);
  EXPECT_EQ(profile.domains->others, 31 - static_cast<std::int64_t>(kMostDomains));
}

TEST_F(Domains, RefusesAVocabularyWithTooFewPositions) {
  setting_.vocabulary = {'!'};
  expect_error(
      ErrorKind::kBadInput, "only 0 positions of 0 documents of the sample", [this] { run(); });
  dataset_.documents[3].labels.back() = '!';
  expect_error(ErrorKind::kBadInput, "only 1 positions of 1 documents", [this] { run(); });
}

// What the clock lets be measured may be fewer than the sample has.
TEST_F(Domains, RefusesWhatTheClockLeavesTooSmall) {
  setting_.vocabulary = ids('a', 'a' + 3);
  setting_.seconds = 0.0;
  expect_error(ErrorKind::kBadInput, "of those that were measured", [this] { run(); });
}

TEST_F(Domains, GeneralTextIsTheModelsOwnDistribution) {
  const ByteTokenizer tokenizer;
  GeneralTextOptions options;
  options.texts = 8;
  options.length = 6;
  options.skipped = 2;
  const auto shares = general_text(graph_, tokenizer, options, progress_);
  ASSERT_TRUE(shares.has_value());
  ASSERT_EQ(shares->mean.size(), static_cast<std::size_t>(tokenizer.vocabulary_size()));
  EXPECT_NEAR(std::accumulate(shares->mean.begin(), shares->mean.end(), 0.0), 1.0, 1e-9);
  EXPECT_EQ(shares->mean[ByteTokenizer::kEos], 0.0);
  EXPECT_EQ(general_text(graph_, tokenizer, options, progress_)->mean, shares->mean);
  options.seed = 2;
  EXPECT_NE(general_text(graph_, tokenizer, options, progress_)->mean, shares->mean);
  // A head of zeros makes all tokens but the three special ones equally likely.
  torch::NoGradGuard no_grad;
  graph_.head_weight().zero_();
  const auto flat = general_text(graph_, tokenizer, options, progress_);
  for (std::size_t id = 0; id < 256; ++id) EXPECT_NEAR(flat->mean[id], 1.0 / 256.0, 1e-12);
  core::set_stop_signal(2);
  EXPECT_FALSE(general_text(graph_, tokenizer, options, progress_).has_value());
  core::set_stop_signal(0);
}

TEST(OverrepresentedWords, AreThoseThatTheDataHaveMoreOften) {
  // 'a' as often as in general text, 'b' four times as often, 'c' in two documents alone, 'd'
  // never.
  data::Dataset dataset;
  for (int i = 0; i < 100; ++i) {
    data::Document document;
    const std::vector<std::int64_t> rest(i < 2 ? 10 : 0, 'c');
    document.labels = {'a', 'a', 'b', 'b', 'b', 'b', 'x', 'x', ByteTokenizer::kEos};
    document.labels.insert(document.labels.end(), rest.begin(), rest.end());
    document.ids = document.labels;
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  TokenShares general{std::vector<double>(259, 1e-6), std::vector<double>(259, 0.0)};
  general.mean['a'] = 200.0 / 920.0;
  general.mean['b'] = 100.0 / 920.0;
  general.mean['x'] = 620.0 / 920.0;
  const ByteTokenizer tokenizer;
  EXPECT_THAT(overrepresented_words(dataset, general, tokenizer).ids, ElementsAre('b'));
  // A share that is hardly known tells nothing.
  general.error['b'] = general.mean['b'];
  expect_error(ErrorKind::kBadInput, "name the domain's words in a file",
      [&] { overrepresented_words(dataset, general, tokenizer); });
}

class DomainWordsFile : public ::testing::Test {
 protected:
  DomainWords read(const std::string& text) const {
    std::ofstream(folder_ / "words.txt", std::ios::binary) << text;
    return read_domain_words(folder_ / "words.txt", tokenizer_);
  }
  void refused(const std::string& text, const std::string& message) const {
    expect_error(ErrorKind::kBadInput, message, [&] { read(text); });
  }

  salf::testing::TemporaryFolder folder_;
  ByteTokenizer tokenizer_;
};

TEST_F(DomainWordsFile, LinesAreWordsOrIds) {
  const DomainWords words = read("\xEF\xBB\xBFz\r\n\n 98 \nca\n");
  EXPECT_THAT(words.ids, ElementsAre('a', 'b', 'c', 'z'));
  EXPECT_THAT(words.examples, ElementsAre('z', 'b', 'c', 'a'));
  EXPECT_EQ(words.words, 3);
  EXPECT_EQ(words.split_words, 1);
  EXPECT_TRUE(words.unknown.empty());
}

TEST_F(DomainWordsFile, AJsonListToldWordsFromIds) {
  EXPECT_THAT(read(R"(["4", 98])").ids, ElementsAre('4', 'b'));
  refused(R"(["a", 1.5])", "[1]: expected a word as a string");
  refused(R"(["a", -1])", "token id from 0 to 258, got -1");
  refused(R"(["a", 18446744073709551615])", "token id from 0 to 258");
  refused(R"(["a")", "words.txt");
}

TEST_F(DomainWordsFile, RefusesWhatNamesNoWord) {
  refused("", "no words");
  refused(" \n\n", "no words");
  refused("[]", "no words");
  refused("259\n", "words.txt:1: expected a token id from 0 to 258, got 259");
  refused("a\n99999999999999999999\n", "words.txt:2");
  refused("a\xff\n", "not UTF-8 at byte 1");
  expect_error(
      ErrorKind::kIo, "none.txt", [this] { read_domain_words(folder_ / "none.txt", tokenizer_); });
}

// Knows the letters alone.
class LetterTokenizer : public ByteTokenizer {
 public:
  std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<std::int64_t> ids;
    for (const char c : text) ids.push_back(c >= 'a' && c <= 'z' ? c : kPadding);
    return ids;
  }
  bool is_special(std::int64_t id) const override { return id >= kBos; }
};

TEST_F(DomainWordsFile, NamesTheWordsWithoutAToken) {
  std::ofstream(folder_ / "words.txt") << "ab\n!?\n";
  EXPECT_THAT(
      read_domain_words(folder_ / "words.txt", LetterTokenizer()).unknown, ElementsAre("!?"));
  std::ofstream(folder_ / "words.txt") << "!?\n";
  expect_error(ErrorKind::kBadInput,
      "none of the 1 words has a token in this vocabulary; the first is \"!?\"",
      [this] { read_domain_words(folder_ / "words.txt", LetterTokenizer()); });
}

}  // namespace
}  // namespace salf::calibration
