// Every document comes back from its file as it was written, and surprises in a file are refused.
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/files.h"
#include "core/json.h"
#include "support/sample_documents.h"
#include "types/validate.h"

namespace salf::types {
namespace {

class Documents : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        std::filesystem::path(::testing::TempDir()) / (std::string("salf_types_") + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file() const { return folder_ / "document.json"; }

  // Writes `value`, lets `change` break the JSON, and puts that in the file.
  template <class T, class Change> void write_changed(const T& value, const Change& change) const {
    core::write_document(file(), value);
    core::Json json = core::read_json_file(file());
    change(json);
    core::write_json_file(file(), json);
  }

  std::filesystem::path folder_;
};

LayerProfile profile() {
  LayerProfile profile = support::sample_profile(support::curve_with_drop(6, 3));
  profile.seed = std::numeric_limits<std::uint64_t>::max();
  profile.provenance.created = "2026-11-24T00:00:00Z";
  ScalingLaw law;
  law.found = true;
  law.share.assign(7, 0.5);
  profile.scaling_laws = {law};
  return profile;
}

FreezePlan plan() {
  FreezePlan plan;
  plan.shape = support::sample_shape(6);
  plan.data = support::sample_data();
  plan.cost = support::sample_cost();
  plan.cut = 3;
  plan.reason = "a \"reason\" with ünïcode";
  RuleChoice choice;
  choice.cut = 3;
  choice.stability = 0.9;
  choice.low = 2;
  choice.high = 5;
  plan.choices = {choice};
  plan.budget = {180.0, BudgetUnit::kSeconds};
  plan.batch_tokens = 1024;
  plan.steps = 120;
  plan.epochs = 0.8;
  plan.learning_rate = 3e-4;
  plan.predicted_seconds.backward = 1.0 / 3.0;
  plan.smallest_budget = Budget{240.0, BudgetUnit::kSeconds};
  for (std::int64_t cut = 0; cut < 6; ++cut) {
    Candidate candidate;
    candidate.cut = cut;
    candidate.fits = cut > 2;
    plan.candidates.push_back(candidate);
  }
  return plan;
}

RunRecord record() {
  RunRecord record;
  record.options["learning_rate"] = 1e-4;
  record.options["nested"]["anything"] = {1, 2, 3};
  record.plan = plan();
  record.status = RunStatus::kStoppedEarly;
  record.steps = 100;
  record.cooldown_start_step = 80;
  record.evaluations = {{0, 3.5, 0.1, 1.0}, {100, 2.5, 0.1, 1.0}};
  record.before = record.evaluations.front();
  record.best = record.evaluations.back();
  return record;
}

TEST_F(Documents, ProfileComesBack) {
  core::write_document(file(), profile());
  EXPECT_EQ(core::to_json(read_profile(file())), core::to_json(profile()));
}

TEST_F(Documents, PlanComesBack) {
  core::write_document(file(), plan());
  EXPECT_EQ(core::to_json(read_plan(file())), core::to_json(plan()));
}

TEST_F(Documents, RunComesBackWithItsOptions) {
  core::write_document(file(), record());
  const RunRecord again = read_run(file());
  EXPECT_EQ(core::to_json(again), core::to_json(record()));
  EXPECT_EQ(again.options.at("nested").at("anything").size(), 3U);
  EXPECT_FALSE(again.after.has_value());
}

TEST_F(Documents, RunTellsOfItsCacheAndOlderRunsHaveNone) {
  RunRecord one = record();
  one.cache = CacheUse{CacheType::kBFloat16, 4096, 8, true, 8, 16, 1e12};
  one.activation_bytes_below_cut = 0;
  core::write_document(file(), one);
  EXPECT_EQ(core::to_json(read_run(file())), core::to_json(one));
  write_changed(one, [](core::Json& json) {
    for (const char* key : {"cache", "frozen_bytes_mapped", "activation_bytes_below_cut"})
      json.erase(key);
  });
  EXPECT_FALSE(read_run(file()).cache.has_value());
}

FreezePlan predicted_plan() {
  FreezePlan one = plan();
  one.rule = Rule::kPredicted;
  one.budget = {5.0, BudgetUnit::kMoney, "EUR", 600.0};
  Rates rates;
  rates.watts = 80.0;
  rates.price_per_hour = 30.0;
  rates.currency = "EUR";
  one.rates = rates;
  Footprint footprint;
  footprint.energy_joules = 48000.0;
  footprint.money = 5.0;
  one.footprint = footprint;
  for (auto& candidate : one.candidates) {
    candidate.arm = candidate.cut == 0 ? Arm::kFull : Arm::kFreeze;
    candidate.loss = Range{1.5, 1.4, 1.6};
    candidate.delta = Range{0.0, -0.1, 0.1};
  }
  for (Candidate adapters : one.candidates.of(Method::kBlocks)) {
    adapters.arm = Arm::kLora;
    one.candidates.push_back(adapters);
  }
  Reason reason{ReasonCode::kPredictedLoss};
  reason.value = 1.5;
  reason.before = 2.0;
  one.reasons = {{ReasonCode::kShallowestAsGood}, reason};
  one.knee = 3;
  one.knee_arm = Arm::kLora;
  one.alternatives = {{0.5, {2.5, BudgetUnit::kMoney, "EUR"}, true, Arm::kLora, 4, 60, 300.0,
      Range{1.6, 1.5, 1.7}}};
  one.notes = {"the rules disagree"};
  return one;
}

TEST_F(Documents, APlanWithPredictionsComesBackAndOlderOnesHaveNone) {
  core::write_document(file(), predicted_plan());
  EXPECT_EQ(core::to_json(read_plan(file())), core::to_json(predicted_plan()));
  write_changed(plan(), [](core::Json& json) {
    for (const char* key :
        {"budget_seconds", "prediction_basis", "alternatives", "notes", "reasons"})
      json.erase(key);
    for (auto& candidate : json["candidates"]) {
      for (const char* key : {"learning_rate", "tokens", "pareto"}) candidate.erase(key);
    }
  });
  const FreezePlan older = read_plan(file());
  const Candidate& full = older.candidates.full();
  EXPECT_FALSE(older.rates || older.footprint || older.knee || full.loss || full.arm);
  EXPECT_TRUE(older.reasons.empty());
  EXPECT_DOUBLE_EQ(older.budget.clock_seconds(), 180.0);
}

TEST(FreezePlan, KnowsTheCandidateItCarriesOut) {
  FreezePlan one = predicted_plan();
  one.cut = 4;
  EXPECT_EQ(one.candidates.place(*one.chosen()), 4U);
  EXPECT_EQ(one.candidates.full().arm, Arm::kFull);
  one.shape.block_trained_parameters.assign(6, 10);
  EXPECT_EQ(one.candidates.place(*one.chosen()), 10U);
  ASSERT_EQ(one.candidates.of(Method::kLora).size(), 6U);
  EXPECT_EQ(one.candidates.of(Method::kLora).front().arm, Arm::kLora);
  one.candidates.clear();
  EXPECT_EQ(one.chosen(), nullptr);
}

TEST(Candidates, AreFoundWhateverTheirOrder) {
  Candidates all;
  for (const Arm arm : {Arm::kLora, Arm::kFreeze}) {
    for (std::int64_t cut = 3; cut-- > 0;) {
      Candidate one;
      one.arm = arm == Arm::kFreeze && cut == 0 ? Arm::kFull : arm;
      one.cut = cut;
      all.push_back(one);
    }
  }
  EXPECT_EQ(all.full().arm, Arm::kFull);
  EXPECT_EQ(all.at(Method::kLora, 2)->arm, Arm::kLora);
  EXPECT_EQ(all.at(Method::kBlocks, 2)->arm, Arm::kFreeze);
  EXPECT_EQ(all.at(Method::kBlocks, 3), nullptr);
}

TEST(Candidates, WithoutAnArmAreOfEveryMethod) {
  const Candidates all = plan().candidates;
  EXPECT_EQ(all.at(Method::kLora, 3), all.at(Method::kBlocks, 3));
  EXPECT_EQ(all.full().cut, 0);
  EXPECT_EQ(all.of(Method::kLora).size(), 6U);
}

TEST_F(Documents, RefusesCandidatesOfAnotherArmInTheirPlace) {
  const auto refused = [&](const char* pointer, const core::Json& value, const char* place) {
    write_changed(predicted_plan(),
        [&](core::Json& json) { json[core::Json::json_pointer(pointer)] = value; });
    support::expect_error(ErrorKind::kBadInput, {place}, [&] { read_plan(file()); });
  };
  refused("/candidates/2/arm", "lora", "candidates[2].arm");
  refused("/candidates/6/arm", "freeze", "candidates[6].arm");
  refused("/candidates/6/eof", 5, "candidates[6].eof");
  refused("/candidates/0/arm", "lora", "candidates");
  refused("/candidates/2/loss/low", 1e300, "candidates[2].loss.low");
  refused("/knee", 6, "knee");
  refused("/alternatives/0/eof", 6, "alternatives[0].eof");
}

TEST_F(Documents, RunTellsOfItsFootprint) {
  RunRecord one = record();
  one.predicted_footprint = predicted_plan().footprint;
  one.measured_footprint =
      Footprint{50000.0, FigureSource::kMeasured, "RAPL", 6.0, "world", std::nullopt, "", ""};
  core::write_document(file(), one);
  EXPECT_EQ(core::to_json(read_run(file())), core::to_json(one));
}

TEST_F(Documents, AnErrorThatIsNotKnownIsNull) {
  RunRecord one = record();
  one.evaluations.back().standard_error = std::nan("");
  core::write_document(file(), one);
  EXPECT_TRUE(std::isnan(read_run(file()).evaluations.back().standard_error));
}

TEST_F(Documents, RefusesANewerSchemaAndAnotherDocument) {
  write_changed(profile(), [](core::Json& json) { json["schema"] = "salf.profile/2"; });
  support::expect_error(
      ErrorKind::kBadInput, {file().string(), "newer"}, [&] { read_profile(file()); });
  core::write_document(file(), plan());
  support::expect_error(
      ErrorKind::kBadInput, {file().string(), "salf.plan/1"}, [&] { read_profile(file()); });
}

TEST_F(Documents, RefusesUnknownKeysByPath) {
  write_changed(plan(), [](core::Json& json) { json["shape"]["layers"] = 3; });
  support::expect_error(ErrorKind::kBadInput, {"shape", "layers"}, [&] { read_plan(file()); });
  write_changed(record(), [](core::Json& json) { json["evaluations"][1]["los"] = 3; });
  support::expect_error(ErrorKind::kBadInput, {"evaluations[1]", "los"}, [&] { read_run(file()); });
}

TEST_F(Documents, RefusesWrongTypesByPath) {
  write_changed(profile(), [](core::Json& json) { json["deviations"][0]["gain"][2] = "0.1"; });
  support::expect_error(
      ErrorKind::kBadInput, {"deviations[0].gain[2]", "a number"}, [&] { read_profile(file()); });
  write_changed(plan(), [](core::Json& json) { json["rule"] = "deepest"; });
  support::expect_error(
      ErrorKind::kBadInput, {"document.json: rule", "max-gain"}, [&] { read_plan(file()); });
  write_changed(plan(), [](core::Json& json) { json["steps"] = 1.5; });
  support::expect_error(
      ErrorKind::kBadInput, {"document.json: steps", "whole number"}, [&] { read_plan(file()); });
}

// Every prefix of the file is refused by its name; only the newline at the end may be missing.
template <class T, class Read> void expect_truncation_is_refused(
    const std::filesystem::path& path, const T& value, const Read& read) {
  core::write_document(path, value);
  const std::string whole = core::read_file(path);
  ASSERT_GT(whole.size(), 100U);
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    support::expect_error(
        ErrorKind::kBadInput, {path.string() + ": not valid JSON"}, [&] { read(path); });
  }
  std::ofstream(path, std::ios::binary) << whole;
  EXPECT_NO_THROW(read(path));
}

TEST_F(Documents, RefusesATruncatedFileAtEveryByte) {
  LayerProfile small = profile();
  small.deviations[0].replicates.resize(2);
  expect_truncation_is_refused(file(), small, read_profile);
  FreezePlan few = plan();  // a file's length counts twice here
  few.candidates.clear();
  expect_truncation_is_refused(file(), few, read_plan);
  RunRecord one = record();
  one.plan = few;
  expect_truncation_is_refused(file(), one, read_run);
}

TEST_F(Documents, RefusesNumbersOutOfRangeByPath) {
  const auto expect_refused = [&](const char* pointer, const core::Json& number,
                                  const std::string& place) {
    write_changed(
        plan(), [&](core::Json& json) { json[core::Json::json_pointer(pointer)] = number; });
    support::expect_error(ErrorKind::kBadInput, {file().string() + ": " + place, "expected"},
        [&] { read_plan(file()); });
  };
  expect_refused("/eof", -1, "eof");
  expect_refused("/eof", std::uint64_t{1} << 63, "eof");
  expect_refused("/shape/blocks", 0, "shape.blocks");
  expect_refused("/shape/hidden", std::int64_t{1} << 62, "shape.hidden");
  expect_refused("/shape/parameters", 1e300, "shape.parameters");
  expect_refused("/shape/block_parameters/0", std::int64_t{1} << 62, "shape.block_parameters");
  expect_refused("/data/real_tokens", -5, "data.real_tokens");
}

}  // namespace
}  // namespace salf::types
