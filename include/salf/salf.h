// salf fine-tunes a language model within a budget, and only the layers that need it.
//
//   salf::Session session({"smollm2", "rows.jsonl"});
//   const salf::Profile profile = session.analyze();
//   const salf::Plan plan = session.plan(profile, {"30m"});
//   const salf::Run run = session.train(plan, {"run"});
//
// Each call does what the command of that name does, and gives its key figures together with its
// whole document as JSON. The guide explains the words; src/types/ describes the documents.
//
// Errors: every call throws salf::Error (error.h), and Stopped after request_stop().
// Threads: one call at a time in a process. LibTorch's threads work within a call. Programs that
// share their cores should set OMP_WAIT_POLICY=passive before libgomp is loaded.
// Signals: the library installs no handlers. SIGINT ends the program, and resume() goes on from the
// run's last checkpoint. For an orderly end, block SIGINT in every thread before the first call,
// wait for it in one thread (sigwait) and call request_stop() there. No handler may run on a thread
// that is within a call: products of matrices keep data in the stack pointer.
#pragma once

#include <salf/error.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace salf {

// A call ended because of request_stop(). It left nothing behind.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("stopped on request") {}
};

// Ends the call that is in progress, and those that follow, at their next batch. A run writes a
// checkpoint first. May be called from any thread, but not from a signal handler.
void request_stop();
// Allows calls again.
void clear_stop();

// Notes and warnings go to stderr, from this level on. The first level is kInfo.
enum class LogLevel { kInfo, kWarning, kError, kOff };
void set_log_level(LogLevel level);

// "0.2.0"
const char* version();

// Receives progress, on the thread of the call.
class Observer {
 public:
  virtual ~Observer() = default;
  // A loop of `total` units ("documents", "steps") begins; 0: an unknown number.
  virtual void begin(
      const std::string& /*what*/, std::int64_t /*total*/, const std::string& /*unit*/) {}
  // `note` is a short addition such as "loss 2.01".
  virtual void update(std::int64_t /*done*/, const std::string& /*note*/) {}
  virtual void end() {}
  // A step of a run, from 1, and its loss in nats a token.
  virtual void step(std::int64_t /*step*/, double /*loss*/) {}
  // The loss of the dev documents after so many steps of a run.
  virtual void evaluation(std::int64_t /*steps*/, double /*loss*/) {}
};

// Options have the defaults of the program. `more` holds options without a field here: a JSON
// object with the names that --help-all shows, in snake_case: R"({"max_epochs": 5})". They win over
// the fields. An observer may be null, and must outlive the call.

struct OpenOptions {
  std::string model{};               // model directory, run directory or TorchScript archive
  std::string data{};                // JSONL, JSON or plain text, also gzip
  std::string tokenizer{};           // file; "": the one beside the model
  std::string device = "cpu";        // cpu, cuda or cuda:N
  std::int64_t batch_tokens = 1024;  // of a batch at most, padding included
  std::int64_t threads = 0;          // of one operator; 0: as many as cores
  std::int64_t seed = 1;             // every random choice follows from it
  std::string more{};                // of the groups Model and Data
  Observer* observer = nullptr;
};

struct AnalyzeOptions {
  std::int64_t documents = 64;       // that are drawn first
  std::int64_t max_documents = 256;  // that are drawn while the choice has not settled
  std::string more{};                // of the group Analysis
  Observer* observer = nullptr;
};

// What one forward pass shows. Space l is the hidden state after l blocks.
struct Profile {
  std::vector<double> deviation;       // [blocks + 1]: mean of 1 − cosine to the label's basis
  std::vector<double> standard_error;  // of them
  std::vector<double> gain;            // [blocks]: how much a block reduces the deviation
  std::int64_t cut = 0;                // frozen blocks by the rule max-gain
  double stability = 0.0;              // share of resamples with the same choice, 0 … 1
  double seconds = 0.0;
  std::string json;  // profile.json
};

struct PlanOptions {
  std::string budget{};  // 30m, 2h, 40%, 5USD, 0.3kWh, 200steps, 3epochs; "": max_epochs
  std::optional<std::int64_t> cut{};  // blocks to freeze; not set: the plan chooses
  double max_epochs = 3.0;
  std::string folder = ".";  // on the disk that the run will be written to, whose speed counts
  std::string more{};        // of the groups Budget and cut, and LoRA
  Observer* observer = nullptr;
};

struct Plan {
  std::int64_t cut = 0;  // frozen blocks
  bool lora = false;     // adapters are trained above the cut, not whole blocks
  std::int64_t steps = 0;
  double learning_rate = 0.0;
  double seconds = 0.0;               // predicted, of the whole run
  std::optional<double> loss_before;  // of the dev documents, nats a token
  std::optional<double> loss;         // predicted after the run
  std::string reason;                 // one sentence
  std::string json;                   // plan.json
};

struct TrainOptions {
  std::string folder = "run";        // for model.pt, run.json, plan.json and metrics.jsonl
  bool replace = false;              // an earlier run in the folder
  std::vector<std::string> gates{};  // limits to keep: dev_loss<=1.6, seconds<=2h
  std::string more{};  // of the group Tuning; frozen_dtype; prior and trials of stages
  Observer* observer = nullptr;
};

// How a run ended. kDiverged (the loss was not finite) and kGateFailed keep the last good weights;
// kInterrupted keeps a checkpoint and no model.
enum class RunStatus {
  kFinished,
  kStoppedEarly,
  kBudgetReached,
  kInterrupted,
  kDiverged,
  kGateFailed
};

struct Run {
  RunStatus status = RunStatus::kFinished;
  std::int64_t steps = 0;
  double seconds = 0.0;
  std::optional<double> loss_before;  // of the dev documents, nats a token
  std::optional<double> loss;         // of the weights that were kept
  std::string json;                   // run.json
};

enum class Split { kAll, kTrain, kDev, kTest };

struct EvaluateOptions {
  Split split = Split::kAll;
  std::int64_t documents = 0;  // a sample of so many; 0: all
  Observer* observer = nullptr;
};

struct Evaluation {
  std::int64_t documents = 0;
  std::int64_t tokens = 0;  // supervised ones
  double loss = 0.0;        // nats a supervised token
  double standard_error = 0.0;
  double perplexity = 0.0;
  double accuracy = 0.0;                  // share of tokens that were the model's first guess
  std::optional<double> choice_accuracy;  // where rows have options and an answer
  double seconds = 0.0;
  std::string json;  // eval.json
};

// An open model with its tokenizer and its data. A session that was moved from may only be
// destroyed or assigned to.
class Session {
 public:
  // Opens the model, proves that it can be cut, and reads the data.
  explicit Session(const OpenOptions& options);
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  ~Session();

  std::int64_t blocks() const;
  std::int64_t parameters() const;

  Profile analyze(const AnalyzeOptions& options = {});

  // Reads only `profile.json`, so that the text of an earlier profile.json serves too. Throws
  // Error(kBudget) with the smallest budget that works where this one is too small.
  Plan plan(const Profile& profile, const PlanOptions& options = {});

  // Writes the folder that salf train writes, which Session and the program open. Reads only
  // `plan.json`. The clock of the budget starts here. The run has a model of its own: that of the
  // session stays untuned.
  Run train(const Plan& plan, const TrainOptions& options = {});

  Evaluation evaluate(const EvaluateOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Goes on with an interrupted run, also of the program. Everything comes from its run.json.
Run resume(const std::string& folder, Observer* observer = nullptr);

enum class Format { kHuggingFace, kGguf, kTorchScript };

struct ExportOptions {
  Format format = Format::kHuggingFace;
  std::string output{};  // a folder for Hugging Face, else a file
  bool replace = false;  // an earlier export there
  std::string more{};    // dtype, shard_bytes, type or trust_model
  Observer* observer = nullptr;
};

struct Export {
  std::vector<std::string> files;  // in the folder
  std::int64_t bytes = 0;
  std::string json;  // export.json
};

// `model`: a model directory of salf import or a run; for TorchScript any archive too.
Export export_model(const std::string& model, const ExportOptions& options);

}  // namespace salf
