// How a bench begins, or goes on with what is there.
#include <system_error>
#include <type_traits>

#include "app/bench/bench.h"
#include "app/training/shared_run.h"
#include "core/log.h"
#include "core/text.h"
#include "distributed/machines.h"
#include "types/validate.h"

namespace salf::app {

namespace fs = std::filesystem;

bool Bench::begin() {
  const bool there = leads(ranks_) && fs::exists(file("bench.json")) && !replace_;
  if (distributed::greatest(ranks_, there ? 1.0 : 0.0) == 0.0) return begins_anew();
  types::LayerProfile profile;
  if (leads(ranks_)) {
    record_ = core::read_document<BenchRecord>(file("bench.json"));
    profile = types::read_profile(file("profile.json"));
  }
  share_record(std::move(profile));
  core::Json defaults = core::to_json(BenchOptions{});
  defaults["ranks"] = 1;
  check_same_bench(record_, identity(), defaults, options_.output);
  core::log_info("going on with " + core::printable(options_.output) + ": " +
                 std::to_string(record_.rows.size()) + " runs are there");
  return true;
}

void Bench::share_record(types::LayerProfile profile) {
  if (ranks_ != nullptr) {
    const auto shared = [this](auto& document, const char* name) {
      const std::string text =
          ranks_->broadcast(leads(ranks_) ? core::document_json(document).dump() : std::string());
      document =
          core::document_from<std::decay_t<decltype(document)>>(core::parse_json(text, name), name);
    };
    shared(record_, "rank 0's bench");
    shared(profile, "rank 0's profile");
  }
  prices_ = recorded_prices(session_, options_, record_, std::move(profile), ranks_);
}

bool Bench::begins_anew() {
  std::error_code ignored;
  if (leads(ranks_)) fs::remove_all(file("losses"), ignored);
  std::optional<BenchPrices> prices = measure_prices(session_, options_, progress_, ranks_);
  if (!prices) return false;
  record_.provenance = session_.provenance();
  record_.identity = identity();
  record_.cost = prices->cost;
  record_.lora_cost = prices->lora_cost;
  record_.data = prices->data;
  record_.gradient_agreement = prices->gradient_agreement;
  if (leads(ranks_)) core::write_document(file("profile.json"), prices->profile);
  share_record(std::move(prices->profile));
  save();
  return true;
}

// Which arms and budgets are run, and how it is shown, may change from call to call.
core::Json Bench::identity() const {
  core::Json json = core::to_json(options_);
  for (const char* free :
      {"arms", "minutes", "seeds", "prior", "output", "threads", "model", "data"})
    json.erase(free);
  json["batch_tokens"] = options_.batch.tokens();
  json["model_hash"] = session_.weights_hash;
  json["data_hash"] = session_.dataset->hash;
  json["ranks"] = ranks_ == nullptr ? 1 : ranks_->size();
  return json;
}

void Bench::save() const {
  if (leads(ranks_)) core::write_document(file("bench.json"), record_);
}

}  // namespace salf::app
