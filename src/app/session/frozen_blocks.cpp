#include "app/session/frozen_blocks.h"

#include <algorithm>

#include "convert/gguf/stored_blocks.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::app {
namespace {

model::Packer stored_blocks(const Session& session) {
  return convert::stored_blocks(session.files.archive.parent_path(), session.archive_hash);
}

// Some thousand tokens tell the moments of what a layer multiplies.
std::vector<tensor::Batch> fitting_batches(const Session& session) {
  constexpr std::int64_t kDocuments = 24;
  constexpr std::size_t kBatches = 4;
  const data::Dataset& dataset = *session.dataset;
  const auto documents =
      data::sample_documents(dataset, data::Split::kTrain, kDocuments, session.seed());
  std::int64_t longest = data::kUsualBatchTokens;
  for (const std::int64_t index : documents) {
    longest = std::max(longest,
        static_cast<std::int64_t>(dataset.documents[static_cast<std::size_t>(index)].ids.size()));
  }
  const data::Batcher rows(dataset, documents, {longest, 0}, session.padding_id());
  std::vector<tensor::Batch> batches;
  for (const data::BatchPlan& plan : rows.epoch(session.seed(), 0)) {
    if (batches.size() < kBatches) batches.push_back(rows.make(plan));
  }
  return batches;
}

model::Packer packer_for(FrozenType type, const Session& session) {
  if (type == FrozenType::kGguf) return stored_blocks(session);
  if (type == FrozenType::kBFloat16) return model::rounding_to(ops::WeightFormat::kBFloat16);
  const auto format =
      type == FrozenType::kInt8 ? ops::WeightFormat::kInt8 : ops::WeightFormat::kInt4;
  std::vector<tensor::Batch> batches = fitting_batches(session);
  return batches.empty() ? model::rounding_to(format)
                         : model::fitted_rounding(format, *session.graph, std::move(batches));
}

}  // namespace

double frozen_bytes(FrozenType type) {
  switch (type) {
    case FrozenType::kBFloat16: return 2.0;
    case FrozenType::kInt8: return 1.0;
    case FrozenType::kInt4: return 0.5 + 8.0 / static_cast<double>(ops::kInt4Group);
    default: return 0.0;
  }
}

std::filesystem::path scratch_for(FrozenType type, const std::filesystem::path& folder) {
  return type == FrozenType::kFloat32 ? std::filesystem::path{} : folder;
}

void check_frozen_type(FrozenType type, const Session& session) {
  if (type == FrozenType::kGguf) stored_blocks(session);
}

QuantizedSession quantize_blocks(FrozenType type, const Session& session, std::int64_t count) {
  QuantizedSession quantized{nullptr, session};
  if (type == FrozenType::kFloat32 || count == 0) return quantized;
  quantized.blocks = std::make_unique<model::QuantizedBlocks>(
      *session.model, *session.graph, packer_for(type, session), count);
  core::log_info(std::to_string(count) + " blocks in " + core::enum_to_string(type) + ": " +
                 core::format_bytes(static_cast<std::uint64_t>(quantized.blocks->bytes())));
  quantized.session.graph = quantized.blocks->graph();
  return quantized;
}

}  // namespace salf::app
