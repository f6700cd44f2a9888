// The public API: its defaults, its errors, and runs that are stopped.
#include <gmock/gmock.h>
#include <salf/salf.h>

#include "app/planning/planning_options.h"
#include "app/training/training_request.h"
#include "calibration/calibrate.h"
#include "data/batching/batching.h"
#include "e2e/small_world.h"
#include "support/expect_error.h"

namespace salf::testing {
namespace {

TEST(ApiOptions, HaveTheDefaultsOfTheProgram) {
  EXPECT_EQ(OpenOptions{}.batch_tokens, data::BatchOptions{}.tokens());
  EXPECT_EQ(OpenOptions{}.device, app::ModelOptions{}.device);
  EXPECT_EQ(OpenOptions{}.threads, app::ModelOptions{}.threads);
  EXPECT_EQ(OpenOptions{}.seed, app::ModelOptions{}.seed);
  EXPECT_EQ(AnalyzeOptions{}.documents, calibration::CalibrationOptions{}.documents);
  EXPECT_EQ(AnalyzeOptions{}.max_documents, calibration::CalibrationOptions{}.max_documents);
  EXPECT_EQ(PlanOptions{}.budget, app::PlanningOptions{}.budget);
  EXPECT_EQ(PlanOptions{}.max_epochs, app::PlanningOptions{}.max_epochs);
  EXPECT_EQ(TrainOptions{}.folder, app::RunOptions{}.output);
}

// Stops the run after ten steps.
class Stopper : public Observer {
 public:
  void step(std::int64_t step, double /*loss*/) override {
    if (step == 10) request_stop();
  }
};

class ApiTest : public SmallWorld {
 protected:
  ApiTest() { set_log_level(LogLevel::kWarning); }
  ~ApiTest() override { clear_stop(); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Session open() const { return Session({path("model"), path("rows.jsonl")}); }

  Plan plan(Session& session) const {
    PlanOptions options;
    options.budget = "40steps";
    options.cut = 2;
    options.folder = folder_.path().string();
    return session.plan(session.analyze(), options);
  }
  salf::Run train(
      Session& session, const Plan& plan, const char* folder, Observer* observer) const {
    TrainOptions options;
    options.folder = path(folder);
    options.observer = observer;
    return session.train(plan, options);
  }
};

TEST_F(ApiTest, StoppedRunsGoOnToTheSameModelAlsoInTheProgram) {
  Session session = open();
  const Plan wanted = plan(session);
  EXPECT_EQ(wanted.cut, 2);
  EXPECT_EQ(train(session, wanted, "whole", nullptr).status, RunStatus::kFinished);
  for (const char* folder : {"library", "program"}) {
    Stopper stopper;
    EXPECT_EQ(train(session, wanted, folder, &stopper).status, RunStatus::kInterrupted);
    EXPECT_THROW(session.evaluate(), Stopped);
    clear_stop();
  }
  const salf::Run run = resume(path("library"));
  EXPECT_EQ(run.steps, 40);
  EXPECT_LT(*run.loss, *run.loss_before);
  succeeds({"train", "--resume", "program"});
  const auto expected = parameters("whole/model.pt");
  EXPECT_EQ(parameters("library/model.pt"), expected);
  EXPECT_EQ(parameters("program/model.pt"), expected);
}

TEST_F(ApiTest, RefusesWhatDoesNotFit) {
  Session session = open();
  OpenOptions unknown{path("model"), path("rows.jsonl")};
  unknown.more = R"({"no_such_option": 1})";
  expect_error(ErrorKind::kBadInput, "no_such_option", [&] { Session{unknown}; });
  expect_error(ErrorKind::kUsage, "model", [] { Session{OpenOptions{}}; });
  AnalyzeOptions few;
  few.documents = 0;
  expect_error(ErrorKind::kUsage, "documents", [&] { session.analyze(few); });
  Plan other = plan(session);
  write("rows.jsonl", text("rows.jsonl") + R"({"prompt": "New?", "completion": " Yes."})" + "\n");
  Session changed = open();
  expect_error(
      ErrorKind::kUsage, "another data file", [&] { train(changed, other, "run", nullptr); });
  other.json = "{}";
  expect_error(ErrorKind::kBadInput, "plan", [&] { train(session, other, "run", nullptr); });
}

}  // namespace
}  // namespace salf::testing
