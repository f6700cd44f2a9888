#include <csignal>
#include <memory>

#include "api/calls.h"
#include "app/version.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"

namespace salf {

const app::Session& Session::Impl::whole() {
  if (session.options.adapter.empty()) return session;
  if (!merged) {
    merged = app::open_model(session.options, true);
    app::share_data(*merged, session);
  }
  return *merged;
}

namespace api {

void refuse(const std::string& call, const std::vector<std::string>& problems) {
  if (!problems.empty()) throw Error(ErrorKind::kUsage, call + ": " + core::join(problems, "; "));
}

}  // namespace api

void request_stop() { core::set_stop_signal(SIGTERM); }
void clear_stop() { core::set_stop_signal(0); }
const char* version() { return app::kVersion; }

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo: return core::set_log_level(core::LogLevel::kInfo);
    case LogLevel::kWarning: return core::set_log_level(core::LogLevel::kWarning);
    case LogLevel::kError: return core::set_log_level(core::LogLevel::kError);
    case LogLevel::kOff: return core::set_log_level(core::LogLevel::kOff);
  }
}

Session::Session(Session&& other) noexcept = default;
Session& Session::operator=(Session&& other) noexcept = default;
Session::~Session() = default;

std::int64_t Session::blocks() const { return impl_->session.graph->map().blocks; }
std::int64_t Session::parameters() const { return impl_->session.model->parameter_count(); }

Session::Session(const OpenOptions& options) {
  app::ModelOptions model;
  model.model = options.model;
  model.tokenizer = options.tokenizer;
  model.device = options.device;
  model.threads = options.threads;
  model.seed = options.seed;
  data::DataOptions data;
  if (!options.data.empty()) data.data = {options.data};
  data::BatchOptions batch;
  batch.batch_tokens = options.batch_tokens;
  api::complete("Session", options.more, model, data, batch);
  if (model.model.empty()) api::refuse("Session", {"a model is needed"});
  if (data.data.empty()) api::refuse("Session", {"a data file is needed"});
  api::ObservedProgress progress(options.observer);
  app::Session session = app::open_model(model, true, app::AdapterUse::kKeep);
  app::open_data(session, data, batch, progress);
  impl_ = std::make_unique<Impl>(Impl{data, std::move(session)});
}

}  // namespace salf
