// Weights below the cut that leave memory, while the model can still be run and saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "model/weights/narrow_weights.h"
#include "train/step/freeze.h"

namespace salf::tensor {
class MappedSpace;
}

namespace salf::train {

// The frozen parameters that only the prefix at `cut` needs: those of blocks 0 … cut-1, and the
// embedding where it is not the head.
std::vector<model::Parameter> weights_below(
    const Freeze& freeze, const model::GraphCut& graph, std::int64_t cut);

// Moves parameters into a nameless file in `folder`: from then on they are file cache and not
// anonymous memory, with the same bytes, for whoever reads or saves the model, also after this
// object's end. Left where they are: tensors that are not on the CPU, and those whose memory
// something else shares.
class MappedWeights {
 public:
  // Throws Error(kIo) where the disk has no room; nothing is changed then.
  MappedWeights(
      const std::vector<model::Parameter>& parameters, const std::filesystem::path& folder);

  std::int64_t bytes() const { return bytes_; }
  // They leave the process's memory; whoever reads one gets it from the file again.
  void release() const;

 private:
  std::int64_t bytes_ = 0;
  std::shared_ptr<tensor::MappedSpace> space_;  // the parameters' storages hold it too
};

// Moves parameters of a GPU to the host, but for those whose memory something else shares. Copies
// in a narrower type stay on the GPU and serve there as before; saving reads a parameter wherever
// it is. They come back at this object's end.
class HostWeights {
 public:
  HostWeights(const std::vector<model::Parameter>& parameters,
      std::shared_ptr<model::NarrowWeights> narrow);
  ~HostWeights();
  HostWeights(const HostWeights&) = delete;
  HostWeights& operator=(const HostWeights&) = delete;

  std::int64_t bytes() const;

 private:
  void move(c10::Device to);

  std::vector<model::Parameter> parameters_;
  std::shared_ptr<model::NarrowWeights> narrow_;  // shared with the cuts; null in float32
  c10::Device device_;
};

// Parameters of a GPU in the type of their copies, which they take the place of; as they were, they
// lie on the host and come back at this object's end. Who saves the model before saves them
// rounded.
class NarrowedWeights {
 public:
  NarrowedWeights(const std::vector<model::Parameter>& parameters, model::NarrowWeights& narrow);
  ~NarrowedWeights();
  NarrowedWeights(const NarrowedWeights&) = delete;
  NarrowedWeights& operator=(const NarrowedWeights&) = delete;

  std::int64_t bytes() const;  // as they were

 private:
  struct Kept {
    model::Substitute parameter;
    at::Tensor original;
  };
  c10::Device device_ = c10::kCPU;
  std::vector<Kept> kept_;
};

}  // namespace salf::train
