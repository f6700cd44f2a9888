// Opens a model: finds the files, loads the tokenizer and the archive, and cuts the model.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "app/model_options.h"
#include "convert/adapter/peft_adapter.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "data/tokenizer/tokenizer.h"
#include "model/graph/graph_cut.h"
#include "model/model_directory.h"
#include "model/script_model.h"
#include "model/weights/quantized_blocks.h"
#include "types/layer_profile.h"
#include "types/model_shape.h"

namespace salf::app {

// An open model and what belongs to it. Opening proves the taps (GraphCut). Copies share the
// tokenizer and the model with its weights; each may hold another cut.
struct ModelSession {
  model::ModelFiles files;
  std::string archive_hash;  // SHA-256 of the archive
  std::string weights_hash;  // the same without an adapter; with one, of both
  c10::Device device;
  // Null if the model has none and the command needs none.
  std::shared_ptr<const data::Tokenizer> tokenizer;
  std::shared_ptr<const model::ScriptModel> model;
  std::optional<model::GraphCut> graph;  // set by open_model

  types::ModelShape shape() const;
};

// An adapter becomes part of the weights, or stays beside them, for those who train it.
enum class AdapterUse { kMerge, kKeep };

// Throws as its parts do; Error(kBadModel) when the tokenizer has ids beyond the model's
// vocabulary. With a `scratch` folder the weights lie in nameless files there (ScriptModel::load).
ModelSession open_model(const ModelOptions& options, bool needs_tokenizer,
    AdapterUse adapter = AdapterUse::kMerge, const std::filesystem::path& scratch = {});

// Where weights should lie: in `folder` if frozen blocks are quantised to save memory, else on the
// heap ("").
std::filesystem::path scratch_for(FrozenType type, const std::filesystem::path& folder);

// Throws where blocks of this type cannot be had for the model, before anything long starts.
void check_frozen_type(FrozenType type, const ModelSession& session);

// A session whose first blocks are in few bits. While it lives, the one that it was made of cannot
// run.
struct QuantizedSession {
  std::unique_ptr<model::QuantizedBlocks> blocks;  // null: the session is an ordinary copy
  ModelSession session;
};

// The first `count` blocks in few bits; all as they are for f32. Throws as QuantizedBlocks and
// convert::StoredBlocks do. int8 and int4 are fitted to documents of the train split that are drawn
// by the seed, the same for every count.
QuantizedSession quantize_blocks(FrozenType type, const ModelSession& session,
    const data::Dataset& dataset, std::uint64_t seed, std::int64_t count);

// Throws as convert::read_peft_adapter does, and Error(kBadInput) if salf trained it on other
// weights.
convert::Adapter open_adapter(const std::string& path, const ModelSession& session);

// Reads the data with the session's tokenizer, logs what was left out. Documents are no longer than
// the model's context and, unless they are packed, than one batch. The session's cut is then made
// for these rows.
data::Dataset open_data(const data::DataOptions& options, ModelSession& session,
    const data::BatchOptions& batch, core::Progress& progress);
// Gives the session a cut for such rows of the data (GraphCut::for_rows).
void expect_rows(
    ModelSession& session, const data::Dataset& dataset, const data::BatchOptions& batch);

// As in /proc/cpuinfo.
std::string processor_name();

types::Provenance provenance(const ModelSession& session, const data::Dataset* dataset,
    const std::string& data_path, const std::string& model_path);

}  // namespace salf::app
