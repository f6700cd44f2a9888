#include "app/session.h"

#include <torch/version.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "app/version.h"
#include "convert/gguf/stored_blocks.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "data/batching/batching.h"
#include "model/weights/fitted_rounding.h"
#include "model/weights/lora.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

void check_vocabulary(const ModelSession& session) {
  if (!session.tokenizer) return;
  const std::int64_t ids = session.tokenizer->vocabulary_size();
  const std::int64_t rows = session.graph->map().vocabulary;
  if (ids <= rows) return;
  throw Error(ErrorKind::kBadModel, session.files.tokenizer.string() +
                                        ": does not fit the model: it has " + std::to_string(ids) +
                                        " ids, the model's vocabulary " + std::to_string(rows));
}

// Of a row of the data: a document, or a packed block, which few documents may not fill.
std::int64_t longest_row(const data::Dataset& dataset, const data::BatchOptions& batch) {
  std::size_t longest = 1, total = 0;
  for (const data::Document& document : dataset.documents) {
    longest = std::max(longest, document.ids.size());
    total += document.ids.size();
  }
  return batch.pack > 0 ? std::min(batch.pack, static_cast<std::int64_t>(total))
                        : static_cast<std::int64_t>(longest);
}

convert::StoredBlocks stored_blocks(const ModelSession& session) {
  return {session.files.archive.parent_path(), session.archive_hash};
}

// Some thousand tokens tell the moments of what a layer multiplies.
std::vector<tensor::Batch> fitting_batches(
    const ModelSession& session, const data::Dataset& dataset, std::uint64_t seed) {
  constexpr std::int64_t kDocuments = 24;
  constexpr std::size_t kBatches = 4;
  const auto documents = data::sample_documents(dataset, data::Split::kTrain, kDocuments, seed);
  std::int64_t longest = data::BatchOptions{}.batch_tokens;
  for (const std::int64_t index : documents) {
    longest = std::max(longest,
        static_cast<std::int64_t>(dataset.documents[static_cast<std::size_t>(index)].ids.size()));
  }
  const data::Batcher rows(
      dataset, documents, {longest, 0}, session.tokenizer->padding_id().value_or(0));
  std::vector<tensor::Batch> batches;
  for (const data::BatchPlan& plan : rows.epoch(seed, 0)) {
    if (batches.size() < kBatches) batches.push_back(rows.make(plan));
  }
  return batches;
}

model::Packer packer_for(FrozenType type, const ModelSession& session, const data::Dataset& dataset,
    std::uint64_t seed) {
  if (type == FrozenType::kGguf) return stored_blocks(session).packer();
  if (type == FrozenType::kBFloat16) return model::rounding_to(ops::WeightFormat::kBFloat16);
  const auto format =
      type == FrozenType::kInt8 ? ops::WeightFormat::kInt8 : ops::WeightFormat::kInt4;
  std::vector<tensor::Batch> batches = fitting_batches(session, dataset, seed);
  return batches.empty() ? model::rounding_to(format)
                         : model::fitted_rounding(format, *session.graph, std::move(batches));
}

}  // namespace

types::ModelShape ModelSession::shape() const {
  const model::BlockMap& map = graph->map();
  types::ModelShape shape;
  shape.blocks = map.blocks;
  shape.hidden = map.hidden;
  shape.vocabulary = map.vocabulary;
  shape.tied = map.tied;
  shape.parameters = model->parameter_count();
  if (!map.embedding_parameter.empty()) {
    shape.embedding_parameters = model->parameter(map.embedding_parameter).tensor.numel();
  }
  if (!map.tied) shape.head_parameters = model->parameter(map.head_parameter).tensor.numel();
  for (const auto& name : graph->final_parameters())
    shape.final_parameters += model->parameter(name).tensor.numel();
  for (std::int64_t i = 0; i < map.blocks; ++i) {
    std::int64_t all = 0;
    std::int64_t matrices = 0;
    for (const auto& name : graph->block_parameters(i)) {
      const at::Tensor& tensor = model->parameter(name).tensor;
      all += tensor.numel();
      if (tensor.dim() >= 2) matrices += tensor.numel();
    }
    shape.block_parameters.push_back(all);
    shape.block_matrix_parameters.push_back(matrices);
  }
  return shape;
}

convert::Adapter open_adapter(const std::string& path, const ModelSession& session) {
  convert::Adapter adapter = convert::read_peft_adapter(path, *session.model, *session.graph);
  if (adapter.base_hash.empty() || adapter.base_hash == session.archive_hash) return adapter;
  throw Error(ErrorKind::kBadInput,
      core::printable(path) + ": this adapter was trained on other weights than those in " +
          core::printable(session.files.archive.string()) + " (their SHA-256 differ)");
}

ModelSession open_model(const ModelOptions& options, bool needs_tokenizer, AdapterUse use,
    const std::filesystem::path& scratch) {
  tensor::set_threads(options.threads);
  ModelSession session{model::find_model(options.model, options.tokenizer), "", "",
      tensor::open_device(options.device), nullptr, nullptr, std::nullopt};
  if (!session.files.tokenizer.empty()) {
    session.tokenizer = data::load_tokenizer(session.files.tokenizer);
  } else if (needs_tokenizer) {
    throw Error(ErrorKind::kBadModel,
        options.model +
            ": there is no tokenizer.json or tokenizer.model beside the model; "
            "--tokenizer FILE names one");
  }
  session.archive_hash = session.weights_hash = core::sha256_file(session.files.archive);
  session.model = std::make_unique<model::ScriptModel>(model::ScriptModel::load(
      session.files.archive, session.device, options.trust_model, scratch));
  const std::string& pattern = options.blocks.empty() ? session.files.card.blocks : options.blocks;
  session.graph.emplace(*session.model, pattern);
  check_vocabulary(session);
  if (!options.adapter.empty()) {
    if (use == AdapterUse::kMerge)
      model::merge_lora(*session.model, open_adapter(options.adapter, session).branches);
    session.weights_hash =
        core::sha256(session.archive_hash + convert::peft_adapter_hash(options.adapter));
  }
  return session;
}

std::filesystem::path scratch_for(FrozenType type, const std::filesystem::path& folder) {
  return type == FrozenType::kFloat32 ? std::filesystem::path{} : folder;
}

void check_frozen_type(FrozenType type, const ModelSession& session) {
  if (type == FrozenType::kGguf) stored_blocks(session);
}

QuantizedSession quantize_blocks(FrozenType type, const ModelSession& session,
    const data::Dataset& dataset, std::uint64_t seed, std::int64_t count) {
  QuantizedSession quantized{nullptr, session};
  if (type == FrozenType::kFloat32 || count == 0) return quantized;
  quantized.blocks = std::make_unique<model::QuantizedBlocks>(
      *session.model, *session.graph, packer_for(type, session, dataset, seed), count);
  core::log_info(std::to_string(count) + " blocks in " + core::enum_to_string(type) + ": " +
                 core::format_bytes(static_cast<std::uint64_t>(quantized.blocks->bytes())));
  quantized.session.graph = quantized.blocks->graph();
  return quantized;
}

data::Dataset open_data(const data::DataOptions& options, ModelSession& session,
    const data::BatchOptions& batch, core::Progress& progress) {
  std::int64_t limit = session.files.card.context;
  if (batch.pack == 0) limit = limit > 0 ? std::min(limit, batch.batch_tokens) : batch.batch_tokens;
  data::Dataset dataset = data::load_dataset(options, *session.tokenizer, limit, progress,
      data::read_model_template(session.files.tokenizer));
  for (const auto& line : data::describe(dataset.report)) core::log_info(line);
  expect_rows(session, dataset, batch);
  return dataset;
}

void expect_rows(
    ModelSession& session, const data::Dataset& dataset, const data::BatchOptions& batch) {
  session.graph = session.graph->for_rows(longest_row(dataset, batch));
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

types::Provenance provenance(const ModelSession& session, const data::Dataset* dataset,
    const std::string& data_path, const std::string& model_path) {
  types::Provenance provenance;
  provenance.model = model_path;
  provenance.model_hash = session.weights_hash;
  provenance.data = data_path;
  if (dataset != nullptr) provenance.data_hash = dataset->hash;
  if (session.tokenizer) provenance.tokenizer_hash = session.tokenizer->hash();
  provenance.salf_version = kVersion;
  provenance.torch_version = TORCH_VERSION;
  provenance.machine = processor_name();
  provenance.threads = tensor::threads();
  provenance.created = core::utc_now();
  return provenance;
}

}  // namespace salf::app
