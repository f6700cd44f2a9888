// The programs of the parts that hold attention, with their branches and without the masks that
// causal attention replaces.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/graph/decoder_graph.h"

namespace salf::model {

// Programs are made when they are first asked for, by any thread. What they compute depends on the
// construction alone. References stay valid as long as this lives.
class CutPrograms {
 public:
  // `causal_rows`: the longest batch, in tokens, for which masks are dropped; 0: all masks stay.
  CutPrograms(std::shared_ptr<const DecoderGraph> decoder, std::vector<LoraLayer> lora,
      std::int64_t causal_rows);

  const std::shared_ptr<const DecoderGraph>& decoder() const { return decoder_; }
  const std::vector<LoraLayer>& lora() const { return lora_; }
  std::int64_t causal_rows() const { return causal_rows_; }

  // As GraphCut names them, each for batches of `length` tokens.
  const Program& tap(std::int64_t length) const;
  const Program& prefix(std::int64_t cut, std::int64_t length) const;
  const Program& suffix(std::int64_t cut, std::int64_t length) const;
  const Program& block(std::int64_t index, std::int64_t length) const;

  // Calls of attention in the tap that lost their masks.
  std::int64_t causal_attentions() const;

 private:
  struct Made {
    Program program;
    std::int64_t causal = 0;  // attentions without their masks
  };
  enum class Input { kIds, kState };

  const Made& find(const std::string& name, std::int64_t length, Input input,
      const std::function<GraphPointer()>& graph) const;
  std::int64_t drop_masks(Program& part, Input input) const;
  std::vector<MaskCheck> mask_checks(Input input) const;

  std::shared_ptr<const DecoderGraph> decoder_;  // shared by all cuts of the model
  std::vector<LoraLayer> lora_;
  std::int64_t causal_rows_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Made> made_;
};

}  // namespace salf::model
