// A session: an open model with its tokenizer, and the data that it is used on.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "app/session/model_options.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "data/tokenizer/tokenizer.h"
#include "model/graph/graph_cut.h"
#include "model/model_directory.h"
#include "model/script_model.h"
#include "types/layer_profile.h"
#include "types/model_shape.h"

namespace salf::distributed {
class Group;
}

namespace salf::app {

// A value: copies share the tokenizer, the model with its weights and the data. Each may hold
// another cut or other documents.
struct Session {
  ModelOptions options;  // that it was opened with
  model::ModelFiles files;
  std::string archive_hash;  // SHA-256 of the archive
  std::string weights_hash;  // the same without an adapter; with one, of both
  c10::Device device;
  // Null if the model has none and the command needs none.
  std::shared_ptr<const data::Tokenizer> tokenizer;
  std::shared_ptr<const model::ScriptModel> model;
  std::optional<model::GraphCut> graph;  // set by open_model

  // Set by open_data.
  std::string data_path;
  data::BatchOptions batch;
  std::shared_ptr<const data::Dataset> dataset;

  std::string dtype_reason{};  // why the cut computes in its type, one sentence; by open_model

  types::ModelShape shape() const;
  // Of the tokenizer, where the model has a row for it; else 0.
  std::int64_t padding_id() const;
  std::uint64_t seed() const { return static_cast<std::uint64_t>(options.seed); }
  types::Provenance provenance() const;

  // Batches of these documents, and of all of the train split.
  data::Batcher rows(const std::vector<std::int64_t>& documents) const;
  data::Batcher train_rows() const;
  // The documents of a dev evaluation that has `count` of them. They do not depend on the seed, so
  // that runs can be compared on them.
  std::vector<std::int64_t> dev_documents(std::int64_t count) const;
};

// Whether an adapter becomes part of the weights, or stays beside them to be trained.
enum class AdapterUse { kMerge, kKeep };

// Opens the model and proves that it can be cut (GraphCut). With a `scratch` folder the weights lie
// in nameless files there (ScriptModel::load). `ranks` (null: this process alone) share this
// machine's threads and devices. Throws as its parts do; Error(kBadModel) when the
// tokenizer has ids beyond the model's vocabulary.
Session open_model(const ModelOptions& options, bool needs_tokenizer,
    AdapterUse adapter = AdapterUse::kMerge, const std::filesystem::path& scratch = {},
    distributed::Group* ranks = nullptr);

// Reads the data with the session's tokenizer and logs what was left out. Documents are no longer
// than the model's context and, unless they are packed, than one batch. The session's cut is then
// made for these rows.
void open_data(Session& session, const data::DataOptions& options, const data::BatchOptions& batch,
    core::Progress& progress, distributed::Group* ranks = nullptr);

// The same data with the model of `session`, whose cut is made for its rows.
void share_data(Session& session, const Session& other);

// Throws Error(kUsage) unless a profile or plan was made for this model and these data.
void check_made_for(const types::Provenance& made, const Session& session, const std::string& file);

// As in /proc/cpuinfo.
std::string processor_name();

}  // namespace salf::app
