// Tunes model/ on rows.jsonl with the installed library. Returns 0 if the loss fell.
#include <salf/salf.h>

#include <cstdio>

namespace {

class Steps : public salf::Observer {
 public:
  void step(std::int64_t, double) override { ++count; }
  std::int64_t count = 0;
};

int tune() {
  std::printf("salf %s\n", salf::version());
  salf::Session session({"model", "rows.jsonl"});
  const salf::Profile profile = session.analyze();
  std::printf("%d blocks, max-gain freezes %d\n", static_cast<int>(session.blocks()),
      static_cast<int>(profile.cut));

  salf::PlanOptions wanted;
  wanted.budget = "60steps";
  wanted.more = R"({"learning_rate": 3e-3, "lora": "none"})";
  const salf::Plan plan = session.plan(profile, wanted);
  std::printf("%s\n", plan.reason.c_str());

  Steps steps;
  salf::TrainOptions training;
  training.observer = &steps;
  const salf::Run run = session.train(plan, training);
  salf::Session tuned({"run", "rows.jsonl"});
  const salf::EvaluateOptions test{salf::Split::kTest};
  const double before = session.evaluate(test).loss, after = tuned.evaluate(test).loss;
  std::printf("%d steps, test loss %.3f -> %.3f\n", static_cast<int>(run.steps), before, after);

  salf::ExportOptions target;
  target.format = salf::Format::kTorchScript;
  target.output = "tuned.pt";
  salf::export_model("run", target);
  return steps.count == 60 && after < before - 0.1 ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return tune();
  } catch (const salf::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
