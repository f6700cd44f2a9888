#include "report/page/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "core/json.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/sections/sections.h"
#include "sample.h"
#include "types/validate.h"

namespace salf::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* const kHostile =
    "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\x01\x1b[31m\xff";

// The number at "profile.deviations[0].deviation[3]".
double at(const core::Json& documents, const std::string& path) {
  const core::Json* place = &documents;
  const std::regex part("([a-z_]+)|\\[([0-9]+)\\]");
  for (auto word = std::sregex_iterator(path.begin(), path.end(), part);
       word != std::sregex_iterator(); ++word) {
    place = (*word)[1].matched ? &place->at((*word)[1].str())
                               : &place->at(std::stoul((*word)[2].str()));
  }
  return place->get<double>();
}

TEST(HtmlReport, EveryFigureOfADocumentIsTheDocuments) {
  const RunData run = testing::sample_run();
  core::Json documents = core::Json::object();
  documents["run"] = core::to_json(*run.run);
  documents["profile"] = core::to_json(*run.profile);
  const std::string page = html_report({run}, {});
  const std::regex figure("<data value=\"([^\"]*)\" data-json=\"([^\"]*)\">");
  std::set<std::string> paths;
  for (auto match = std::sregex_iterator(page.begin(), page.end(), figure);
       match != std::sregex_iterator(); ++match) {
    const std::string path = (*match)[2].str();
    paths.insert(path);
    EXPECT_EQ(std::stod((*match)[1].str()), at(documents, path)) << path;
  }
  for (const char* path :
      {"run.before.loss", "run.best.loss", "run.plan.eof", "run.measured_seconds.backward",
          "run.peak_anonymous_bytes", "profile.deviations[1].deviation[6]",
          "profile.deviations[0].gain[2]", "run.plan.choices[0].stability"}) {
    EXPECT_EQ(paths.count(path), 1U) << path;
  }
}

TEST(HtmlReport, ShowsFiguresRoundedToTheirDigits) {
  const std::string page = html_report({testing::sample_run()}, {});
  EXPECT_THAT(
      page, HasSubstr("data-json=\"run.before.loss\">2.512</data> ± <data value=\"0.09995"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.peak_anonymous_bytes\">123.5 MB</data>"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.plan.choices[0].stability\">81&nbsp;%</data>"));
}

TEST(HtmlReport, SetsThePredictedLossBesideWhatCameOfIt) {
  RunData run = testing::sample_run();
  const std::string path = "run.plan.candidates[3].loss.";
  for (types::Candidate& candidate : run.run->plan.candidates) {
    if (candidate.cut == 3) candidate.loss = types::Range{1.9876, 1.75, 2.25};
  }
  EXPECT_THAT(html_report({run}, {}), Not(HasSubstr(path)));  // a share of an unknown loss before
  run.run->plan.loss_before = 2.512;
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, HasSubstr("data-json=\"" + path + "value\">1.988</data> (<data"));
  EXPECT_THAT(page, HasSubstr("data-json=\"" + path + "low\">1.75</data>"));
}

TEST(HtmlReport, GivesThePlannersReasonInBothLanguagesAndOldPlansTheirSentence) {
  RunData run = testing::sample_run();
  EXPECT_THAT(html_report({run}, {}), HasSubstr("<q>for a reason</q>"));
  types::Reason from{types::ReasonCode::kLargestDrop};
  from.cut = 3;
  run.plan->reasons = {from};
  const std::string page = html_report({run}, {});
  EXPECT_THAT(
      page, HasSubstr("The deviation falls most in block 2 (max-gain, eof-layer 3).</span>"));
  EXPECT_THAT(
      page, HasSubstr("偏差の減少はブロック 2 で最大となる（max-gain、eof 層 3）。</span>"));
  EXPECT_THAT(page, Not(HasSubstr("for a reason")));
}

TEST(HtmlReport, EscapesWhateverStrangersWrote) {
  RunData run = testing::sample_run();
  run.name = run.path = kHostile;
  for (types::Provenance* made : {&run.run->provenance, &run.profile->provenance}) {
    made->model = made->data = made->machine = made->salf_version = made->created =
        made->model_hash = kHostile;
  }
  run.plan->reason = run.run->plan.reason = kHostile;
  run.run->options = {{kHostile, kHostile}, {"list", {kHostile}}};
  run.profile->token_maps.push_back(
      {1, {kHostile}, {kHostile}, std::vector<std::vector<double>>(testing::kBlocks + 1, {0.5}),
          std::vector<std::vector<std::string>>(testing::kBlocks + 1, {kHostile})});
  const std::string page = html_report({run, run}, {});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, HasSubstr("&lt;img src=x onerror=alert(1)&gt;\\x01\\x1B[31m\\xFF"));
  EXPECT_EQ(page.find('\x01'), std::string::npos);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
}

TEST(HtmlReport, ShowsTheGatesWithValueLimitAndResult) {
  RunData run = testing::sample_run();
  EXPECT_THAT(html_report({run}, {}), HasSubstr("No quality gate was set"));
  types::Gate loss = types::parse_gate("dev_loss<=1.5");
  loss.value = 1.625;
  loss.step = 20;
  types::Gate time = types::parse_gate("end:seconds<=2h");
  time.value = 90.0;
  time.passed = true;
  run.run->gates = {loss, time, types::parse_gate("dev_accuracy>=50%")};
  run.run->status = types::RunStatus::kGateFailed;
  run.run->options["gate"] = {"dev_loss<=1.5", "end:seconds<=2h"};
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, Not(HasSubstr("No quality gate was set")));
  EXPECT_THAT(
      page, HasSubstr("<data value=\"1.625\" data-json=\"run.gates[0].value\">1.625</data>"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.gates[1].limit\">"));
  EXPECT_THAT(page, HasSubstr("不合格"));
  EXPECT_THAT(page, HasSubstr("a quality gate failed: the last good weights were kept"));
  EXPECT_THAT(
      page, HasSubstr("--gate &#39;dev_loss&lt;=1.5&#39; --gate &#39;end:seconds&lt;=2h&#39;"));
}

TEST(HtmlReport, ShowsTheRanksOfARunAndThoseThatWereAskedFor) {
  RunData run = testing::sample_run();
  EXPECT_THAT(html_report({run}, {}), Not(HasSubstr("ranks share the budget")));
  run.run->plan.shards = 2;
  types::Scale& scale = run.run->plan.scale.emplace();
  scale.link = "25Gb/s";
  scale.rows = {{1, 2.0, 0.0, 0.0, 500.0, 1.0, 1e9, 0.0}, {8, 2.5, 1.0, 0.5, 3200.0, 0.8, {}, 7e8}};
  run.plan = run.run->plan;
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, HasSubstr("2 ranks share the budget"));
  EXPECT_THAT(page, HasSubstr("2 ranks shared this run"));
  EXPECT_THAT(page, HasSubstr("a link of 25Gb/s"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.plan.scale.rows[1].efficiency\">0.8<"));
  EXPECT_THAT(page, HasSubstr("700.0 MB"));
}

TEST(HtmlReport, SaysWhatAPilotMeansForTheWhole) {
  RunData run = testing::sample_run();
  types::PilotRecord pilot;
  pilot.share = 0.05;
  pilot.documents = 40;
  pilot.all_documents = 800;
  pilot.full_cut = 3;
  pilot.full_steps = 900;
  pilot.full_seconds = 720.0;
  run.run->pilot = pilot;
  EXPECT_THAT(html_report({run}, {}), HasSubstr("data-json=\"run.pilot.full_steps\">900<"));
  run.run->pilot->pace = 1.25;
  run.run->pilot->full_seconds_at_pace = 900.0;
  run.run->pilot->full_steps_at_pace = 900;
  EXPECT_THAT(html_report({run}, {}), HasSubstr("data-json=\"run.pilot.pace\">1.25<"));
}

TEST(HtmlReport, TellsEachStageAndWhatWasDecided) {
  RunData run = testing::sample_run();
  EXPECT_THAT(html_report({run}, {}), HasSubstr("One stage: the cut did not change"));
  types::StageRecord deep, shallow;
  deep.cut = 5;
  deep.steps = 40;
  deep.decision = {types::StageChoice::kNext, {}, "pays", 1.75, 1.5};
  deep.evaluation = types::DevEvaluation{40, 1.875, 0.01, 0.5};
  shallow.cut = 2;
  shallow.steps = 60;
  run.run->stages = {deep, shallow};
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, Not(HasSubstr("One stage")));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.stages[0].steps\">40<"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.stages[0].decision.loss_next\">1.5<"));
  EXPECT_THAT(page, HasSubstr("the next blocks were unfrozen"));
  EXPECT_THAT(page, HasSubstr("この段階で終了"));
  EXPECT_THAT(page, HasSubstr("data-json=\"run.stages[1].eof\">2<"));
}

types::LayerProfile profile_with_domains(const std::string& name) {
  types::LayerProfile profile = testing::sample_profile();
  const types::RuleChoice choice{types::Rule::kMaxGain, types::Measure::kCosine, 4, 0.9, 3, 5};
  profile.vocabulary.emplace();
  profile.vocabulary->source = name;
  profile.vocabulary->tokens = 305;
  profile.vocabulary->examples = profile.vocabulary->unknown = {name};
  profile.vocabulary->unknown_words = 1;
  profile.vocabulary->deviations = {testing::sample_deviation(types::Measure::kCosine)};
  profile.vocabulary->choices_with = profile.vocabulary->choices_without = {choice};
  profile.domains.emplace();
  profile.domains->domains = {{name, testing::sample_deviation(types::Measure::kCosine), {choice}}};
  profile.domains->agreements = {{types::Rule::kMaxGain, true, 3, 5, 4, "", ""},
      {types::Rule::kThreshold, false, 5, 2, 2, name, name}};
  profile.domains->others = 3;
  profile.domains->unnamed_documents = 2;
  return profile;
}

TEST(HtmlReport, ShowsTheDomainsVocabularyAndEachDomain) {
  RunData run = testing::sample_run();
  EXPECT_THAT(html_report({run}, {}), HasSubstr("No domain vocabulary was used"));
  run.profile = profile_with_domains("words.txt");
  types::check(*run.profile, "profile.json");
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, Not(HasSubstr("No domain vocabulary was used")));
  for (const char* path :
      {"profile.vocabulary.tokens\">305<", "profile.vocabulary.choices_with[0].eof\">4<",
          "profile.domains.domains[0].choices[0].low\">3<",
          "profile.domains.agreements[1].low\">5<", "profile.domains.others\">3<"}) {
    EXPECT_THAT(page, HasSubstr(path));
  }
  EXPECT_THAT(page, HasSubstr("一つの切断位置（eof 層"));
  EXPECT_THAT(page, HasSubstr("no cut serves all domains"));
}

TEST(HtmlReport, EscapesDomainsAndLeavesTheirWordsOutWhereAsked) {
  RunData run = testing::sample_run();
  run.profile = profile_with_domains(kHostile);
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  run.profile = profile_with_domains("maths");
  run.profile->vocabulary->examples = {"secret-word"};
  PageOptions silent;
  silent.text = false;
  EXPECT_THAT(html_report({run}, {}), HasSubstr("secret-word"));
  EXPECT_THAT(html_report({run}, silent), Not(HasSubstr("secret-word")));
}

TEST(HtmlReport, EscapesTurnsOfDirection) {
  EXPECT_EQ(escape("a\xE2\x80\xAE"
                   "b\xE2\x81\xA6"),
      "a\\xE2\\x80\\xAEb\\xE2\\x81\\xA6");
  EXPECT_EQ(escape("微調整 –"), "微調整 –");
}

TEST(HtmlReport, LeavesTheDatasTextOutWhereAsked) {
  RunData run = testing::sample_run();
  run.profile->token_maps.push_back({1, {"secret-token"}, {"secret-label"},
      std::vector<std::vector<double>>(testing::kBlocks + 1, {0.5}),
      std::vector<std::vector<std::string>>(testing::kBlocks + 1, {"secret-word"})});
  EXPECT_THAT(html_report({run}, {}), HasSubstr("secret-word"));
  PageOptions silent;
  silent.text = false;
  EXPECT_THAT(html_report({run}, silent), Not(HasSubstr("secret-")));
}

TEST(HtmlReport, ShowsAnswersEscapedAndLeavesThemOutWhereAsked) {
  RunData run = testing::sample_run();
  run.answers = types::RunAnswers{64, 1.5,
      {{"secret-prompt", "secret-reference", "<script>alert(1)</script>", "a\x1b[31m\nb"}}};
  const std::string page = html_report({run}, {});
  EXPECT_THAT(page, HasSubstr("Answers to held-out prompts"));
  EXPECT_THAT(page, HasSubstr("secret-prompt"));
  EXPECT_THAT(page, HasSubstr("[31m<br>b"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  PageOptions silent;
  silent.text = false;
  EXPECT_THAT(html_report({run}, silent), Not(HasSubstr("secret-")));
}

TEST(HtmlReport, FetchesNothing) {
  const std::string page = html_report({testing::sample_run()}, {});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("http:")));
  EXPECT_THAT(page, Not(HasSubstr("https:")));
  EXPECT_THAT(page, Not(HasSubstr("connect-src")));
}

TEST(HtmlReport, NeedsNeitherRunNorProfile) {
  RunData plan;
  plan.name = "plan.json";
  plan.plan = testing::sample_plan();
  EXPECT_THAT(html_report({plan}, {}), HasSubstr("data-json=\"plan.eof\""));
  RunData profile;
  profile.name = "profile.json";
  profile.profile = testing::sample_profile();
  EXPECT_THAT(html_report({profile}, {}), HasSubstr("data-json=\"profile.tokens\""));
}

TEST(HtmlReport, EveryWordHasBothLanguages) {
  for (int word = static_cast<int>(Word::kNone) + 1; word <= static_cast<int>(Word::kSeedTerm);
       ++word) {
    const Text& both = text(static_cast<Word>(word));
    EXPECT_FALSE(both.en.empty() || both.ja.empty()) << word;
    const Text& line = explanation(static_cast<Word>(word));
    EXPECT_EQ(line.en.empty(), line.ja.empty()) << both.en;
    for (const char* place : {"{0}", "{1}", "{2}", "{3}", "{4}", "{5}"}) {
      EXPECT_EQ(both.en.find(place) == std::string::npos, both.ja.find(place) == std::string::npos)
          << both.en;
    }
  }
}

TEST(CommandLine, IsQuotedForAShell) {
  const core::Json options = {{"model", "it's here"}, {"no_cache", true}, {"keep_cache", false},
      {"eof", nullptr}, {"tau", 0.1}, {"blocks", ""}};
  EXPECT_EQ(command_line(options),
      "salf train --model 'it'\\''s here' --no-cache --tau 0.1 --output again");
}

TEST(Thin, KeepsMeansAndExtremes) {
  const Thinned thinned = thin({1, 2, 3, 4, 5}, {1, 3, std::nan(""), 8, 9}, 3);
  EXPECT_EQ(thinned.size, 2U);
  EXPECT_EQ(thinned.x, (std::vector<double>{2, 4, 5}));
  EXPECT_EQ(thinned.mean, (std::vector<double>{2, 8, 9}));
  EXPECT_EQ(thinned.low, (std::vector<double>{1, 8, 9}));
  EXPECT_EQ(thinned.high, (std::vector<double>{3, 8, 9}));
  EXPECT_EQ(thin({1, 2}, {5, 6}, 10).size, 1U);
}

}  // namespace
}  // namespace salf::report
