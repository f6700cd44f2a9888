#include "app/session/session.h"

#include <torch/version.h>

#include <algorithm>
#include <fstream>
#include <future>

#include "app/session/lora_start.h"
#include "app/session/session_checks.h"
#include "app/version.h"
#include "convert/adapter/peft_adapter.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/text.h"
#include "distributed/group.h"
#include "model/weights/lora.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

void check_vocabulary(const Session& session) {
  if (!session.tokenizer) return;
  const std::int64_t ids = session.tokenizer->vocabulary_size();
  const std::int64_t rows = session.graph->map().vocabulary;
  if (ids <= rows) return;
  core::log_warning(session.files.tokenizer.string() + ": has " + std::to_string(ids) +
                    " ids, and the model's vocabulary " + std::to_string(rows) +
                    " rows; text that uses the ids beyond is refused");
}

// Tokens of a row: a document, or a packed block, which few documents may not fill.
std::int64_t longest_row(const data::Dataset& dataset, const data::BatchOptions& batch) {
  std::size_t longest = 1, total = 0;
  for (const data::Document& document : dataset.documents) {
    longest = std::max(longest, document.ids.size());
    total += document.ids.size();
  }
  return batch.pack > 0 ? std::min(batch.pack, static_cast<std::int64_t>(total))
                        : static_cast<std::int64_t>(longest);
}

TypeChoice wanted_type(const Session& session) {
  const bool on_gpu = session.device.is_cuda();
  switch (session.options.dtype) {
    case DataType::kFloat32: return {c10::kFloat, "--dtype f32"};
    case DataType::kBFloat16:
      if (!on_gpu && tensor::bf16_units().empty()) {
        core::log_warning(
            "this processor has no bf16 units (amx_bf16, avx512_bf16): bf16 is slower than f32 "
            "here; leave --dtype out");
      }
      return {c10::kBFloat16, "--dtype bf16"};
    case DataType::kAuto: break;
  }
  if (!session.options.adapter.empty() && convert::cancels_weights(session.options.adapter))
    return {c10::kFloat, "the adapter cancels a large part of the weights"};
  return automatic_type(on_gpu);
}

// A model that cannot be run in bf16 runs in f32 unless bf16 was asked for.
void choose_type(Session& session, TypeChoice choice) {
  if (session.graph->type() != c10::kFloat)
    choice = {c10::kFloat, "the archive computes in a type of its own"};
  if (choice.type == c10::kBFloat16) {
    try {
      session.graph = session.graph->in_type(choice.type);
    } catch (const Error& error) {
      const bool memory = error.kind() == ErrorKind::kMemory;
      if (memory || session.options.dtype == DataType::kBFloat16) throw;
      choice = {c10::kFloat, std::string("the model does not run in bf16: ") + error.what()};
    }
  }
  session.dtype_reason = choice.reason;
  core::log_info("computes in " + session.provenance().dtype + ": " + choice.reason);
}

// Makes the session's cut for its rows.
void fit_graph(Session& session) {
  const std::int64_t longest = longest_row(*session.dataset, session.batch);
  session.graph = session.graph->for_rows(longest);
  if (session.batch.pack == 0) return;
  try {
    session.graph->prove_segments(longest);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string("--pack is not possible with this model: ") +
                                  error.what() + "; leave --pack out");
  }
}

void load_tokenizer(Session& session, bool needed) {
  if (!session.files.tokenizer.empty()) {
    session.tokenizer = data::load_tokenizer(session.files.tokenizer);
  } else if (needed) {
    throw Error(ErrorKind::kBadModel,
        session.options.model +
            ": there is no tokenizer.json or tokenizer.model beside the model; "
            "--tokenizer FILE names one");
  }
}

}  // namespace

types::ModelShape Session::shape() const {
  const model::BlockMap& map = graph->map();
  const auto size = [this](const std::string& name) { return model->parameter(name).tensor; };
  types::ModelShape shape;
  shape.blocks = map.blocks;
  shape.hidden = map.hidden;
  shape.vocabulary = map.vocabulary;
  shape.tied = map.tied;
  shape.parameters = model->parameter_count();
  if (!map.embedding_parameter.empty())
    shape.embedding_parameters = size(map.embedding_parameter).numel();
  if (!map.tied) shape.head_parameters = size(map.head_parameter).numel();
  for (const auto& name : graph->final_parameters()) shape.final_parameters += size(name).numel();
  for (std::int64_t block = 0; block < map.blocks; ++block) {
    std::int64_t all = 0, matrices = 0;
    for (const auto& name : graph->block_parameters(block)) {
      all += size(name).numel();
      if (size(name).dim() >= 2) matrices += size(name).numel();
    }
    shape.block_parameters.push_back(all);
    shape.block_matrix_parameters.push_back(matrices);
  }
  return shape;
}

types::Provenance Session::provenance() const {
  types::Provenance made;
  made.model = options.model;
  made.model_hash = weights_hash;
  made.data = data_path;
  if (dataset) made.data_hash = dataset->hash;
  if (tokenizer) made.tokenizer_hash = tokenizer->hash();
  made.salf_version = kVersion;
  made.torch_version = TORCH_VERSION;
  made.machine = processor_name();
  made.threads = tensor::threads();
  made.dtype = graph->type() == c10::kBFloat16 ? "bf16" : "f32";
  made.dtype_reason = dtype_reason;
  made.created = core::utc_now();
  return made;
}

std::int64_t Session::padding_id() const {
  const std::int64_t padding = tokenizer->padding_id().value_or(0);
  return padding < graph->map().vocabulary ? padding : 0;
}

data::Batcher Session::rows(const std::vector<std::int64_t>& documents) const {
  return {*dataset, documents, batch, padding_id()};
}

data::Batcher Session::train_rows() const { return rows(dataset->indices(data::Split::kTrain)); }

std::vector<std::int64_t> Session::dev_documents(std::int64_t count) const {
  constexpr std::uint64_t kSeed = 1;
  return data::sample_documents(*dataset, data::Split::kDev, count, kSeed);
}

Session open_model(const ModelOptions& options, bool needs_tokenizer, AdapterUse use,
    const std::filesystem::path& scratch, distributed::Group* ranks) {
  const distributed::Group::LongWork loading(ranks, "loading the model");
  tensor::set_threads(options.threads, ranks == nullptr ? 1 : ranks->sharing_cores());
  Session session{options, model::find_model(options.model, options.tokenizer), "", "",
      tensor::open_device(options.device, ranks == nullptr ? 0 : ranks->local_rank()), nullptr,
      nullptr, std::nullopt, "", {}, nullptr};
  if (session.device.is_cpu() && scratch.empty())
    check_memory(session.files.archive, core::usable_memory());
  load_tokenizer(session, needs_tokenizer);
  // The archive is hashed by a thread of its own while it is loaded, which takes as long.
  std::future<std::string> hash = std::async(
      std::launch::async, [&session] { return core::sha256_file(session.files.archive); });
  auto model = std::make_shared<model::ScriptModel>(model::ScriptModel::load(
      session.files.archive, session.device, options.trust_model, scratch));
  const TypeChoice choice = wanted_type(session);
  // Steps will read copies, beside which the weights would take memory.
  if (choice.type == c10::kBFloat16 && scratch.empty()) model->map_weights();
  session.model = std::move(model);
  session.archive_hash = session.weights_hash = hash.get();
  const std::string& pattern = options.blocks.empty() ? session.files.card.blocks : options.blocks;
  session.graph.emplace(*session.model, pattern);
  choose_type(session, choice);
  check_vocabulary(session);
  if (options.adapter.empty()) return session;
  if (use == AdapterUse::kMerge)
    model::merge_lora(*session.model, open_adapter(options.adapter, session).branches);
  session.weights_hash =
      core::sha256(session.archive_hash + convert::peft_adapter_hash(options.adapter));
  return session;
}

void open_data(Session& session, const data::DataOptions& options, const data::BatchOptions& batch,
    core::Progress& progress, distributed::Group* ranks) {
  const distributed::Group::LongWork reading(ranks, "reading the data");
  std::int64_t limit = session.files.card.context;
  if (batch.pack == 0) limit = limit > 0 ? std::min(limit, batch.tokens()) : batch.tokens();
  session.data_path = core::join(options.data, ", ");
  session.batch = batch;
  session.dataset = std::make_shared<data::Dataset>(
      data::load_dataset(options, *session.tokenizer, limit, progress,
          data::read_model_template(session.files.tokenizer), session.graph->map().vocabulary));
  for (const auto& line : data::describe(session.dataset->report)) core::log_info(line);
  for (const auto& line : data::warnings(session.dataset->report)) core::log_warning(line);
  fit_graph(session);
}

void share_data(Session& session, const Session& other) {
  session.data_path = other.data_path;
  session.batch = other.batch;
  session.dataset = other.dataset;
  fit_graph(session);
}

void check_made_for(
    const types::Provenance& made, const Session& session, const std::string& file) {
  const auto differs = [&file](const char* what) {
    throw Error(ErrorKind::kUsage, file + ": was made for another " + what +
                                       "; make it again with salf analyze and salf plan");
  };
  if (made.model_hash != session.weights_hash) differs("model");
  if (made.data_hash != session.dataset->hash) differs("data file");
  if (made.tokenizer_hash != session.tokenizer->hash()) differs("tokenizer");
  if (!made.same_dtype(session.provenance())) differs("type of computation (--dtype)");
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos)
      return line.substr(colon + 2);
  }
  return "unknown processor";
}

}  // namespace salf::app
