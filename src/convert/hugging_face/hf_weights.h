// The weights of a Hugging Face directory: model.safetensors, or the shards that
// model.safetensors.index.json lists.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "convert/families/families.h"
#include "tensor/tensor_file.h"

namespace salf::convert {

class HfWeights final : public WeightSource {
 public:
  // Opens the files, checks headers and index. Throws Error(kIo), Error(kBadModel) with the file.
  explicit HfWeights(const std::filesystem::path& directory);

  const std::vector<std::filesystem::path>& files() const { return paths_; }
  std::size_t count() const { return places_.size(); }
  std::uint64_t bytes() const;  // of the files

  // Takes names as the family's; what wrappers put before them (_orig_mod., module.,
  // base_model.model., language_model.) does not count. Files may lack its base ("h.0.ln_1.weight"
  // in GPT-2's). An embedding that is stored only as the head is found under both names.
  void use_names_of(const Family& family);
  // Whether the head has values other than the embedding's. REQUIRES: use_names_of
  bool has_separate_head() const;
  // Throws one Error(kBadModel) with all problems unless every expected tensor has its shape and is
  // F32, F16, BF16 or 8-bit floats with scales (NAME_scale or NAME_scale_inv), and no other tensor
  // is there except buffers that can be computed and a head that the plan ties. REQUIRES:
  // use_names_of
  void check(const std::vector<ExpectedTensor>& expected) const;

  bool has_eight_bits() const;
  // "F32", "F16" or "BF16", which 8-bit floats times their scales are too. REQUIRES: the name has
  // passed check
  std::string dtype(const std::string& name) const;
  // REQUIRES: the name has passed check
  at::Tensor read(const std::string& name) const override;

 private:
  struct Place {
    const tensor::MappedTensorFile* file = nullptr;
    const tensor::TensorEntry* entry = nullptr;
  };

  void open(const std::vector<std::string>& names);
  // By tensor name: the file that must hold it.
  void open_listed(const std::map<std::string, std::string>& listed);
  const Place* find(const std::string& name) const;
  const Place* scales_of(const std::string& name) const;
  at::Tensor read_eight_bits(const std::string& name, const Place& place) const;

  std::filesystem::path directory_;
  std::vector<std::filesystem::path> paths_;
  std::deque<tensor::MappedTensorFile> files_;  // the places point into it
  std::map<std::string, Place> places_;
  Family family_{};
};

}  // namespace salf::convert
