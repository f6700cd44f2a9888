#include "convert/hugging_face/hf_weights.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <set>

#include "convert/gguf/dequantize.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/shapes.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

// A file beside the index. (It may be a link: Hugging Face's cache is made of them.)
bool is_plain_name(const std::string& name) {
  return core::ends_with(name, ".safetensors") && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos &&
         name.front() != '.';
}

// tensor name -> file name
std::map<std::string, std::string> read_index(const fs::path& path) {
  const core::Json json = core::read_json_file(path);
  const core::Json* const map = core::find_member(json, "weight_map");
  if (map == nullptr || !map->is_object() || map->empty()) {
    refuse_model(path, "weight_map: expected an object of tensor names and file names");
  }
  std::map<std::string, std::string> listed;
  for (auto item = map->begin(); item != map->end(); ++item) {
    const std::string name = item->is_string() ? item->get<std::string>() : "";
    if (!is_plain_name(name)) {
      refuse_model(path,
          "weight_map: " + core::printable(item.key()) +
              ": expected the name of a .safetensors file in the same directory, got " +
              core::printable(item->dump(-1, ' ', false, core::Json::error_handler_t::replace)));
    }
    listed.emplace(item.key(), name);
  }
  return listed;
}

// Buffers of older files that can be computed: rotary frequencies, GPT-2's causal masks.
bool is_computed_buffer(const std::string& name) {
  return core::ends_with(name, "rotary_emb.inv_freq") || core::ends_with(name, ".attn.bias") ||
         core::ends_with(name, ".attn.masked_bias");
}

std::string quoted(const tensor::MappedTensorFile& file, const std::string& name) {
  return core::printable(file.path().filename().string()) + ": tensor '" + core::printable(name) +
         "'";
}

[[noreturn]] void refuse_without_weights(const fs::path& directory) {
  std::string problem =
      std::string("expected ") + kWeightsFile + " or " + kWeightsIndex + ", found neither";
  if (fs::exists(directory / "pytorch_model.bin") ||
      fs::exists(directory / "pytorch_model.bin.index.json")) {
    problem +=
        "; pytorch_model.bin is a pickled program that is not read: load the model in transformers "
        "and save it again with save_pretrained";
  }
  refuse_model(directory, problem);
}

}  // namespace

HfWeights::HfWeights(const fs::path& directory) : directory_(directory) {
  read_model_part([&] {
    if (fs::exists(directory / kWeightsFile)) {
      open({kWeightsFile});
    } else if (fs::exists(directory / kWeightsIndex)) {
      open_listed(read_index(directory / kWeightsIndex));
    } else {
      refuse_without_weights(directory);
    }
  });
}

void HfWeights::open(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    paths_.push_back(directory_ / name);
    const tensor::MappedTensorFile& file = files_.emplace_back(paths_.back());
    for (const tensor::TensorEntry& entry : file.entries()) {
      const auto [place, is_new] = places_.emplace(entry.name, Place{&file, &entry});
      if (!is_new)
        refuse_model(directory_, quoted(file, entry.name) + " is in " +
                                     quoted(*place->second.file, entry.name) + " too");
    }
  }
}

void HfWeights::open_listed(const std::map<std::string, std::string>& listed) {
  std::set<std::string> names;
  for (const auto& [tensor, file] : listed) names.insert(file);
  open({names.begin(), names.end()});
  for (const auto& [name, file] : listed) {
    const auto found = places_.find(name);
    if (found != places_.end() && found->second.file->path().filename() == file) continue;
    refuse_model(directory_ / kWeightsIndex,
        "tensor '" + core::printable(name) + "': expected in " + core::printable(file) +
            ", which " + "does not hold it; was the download complete?");
  }
}

std::uint64_t HfWeights::bytes() const {
  std::uint64_t total = 0;
  for (const fs::path& path : paths_) total += fs::file_size(path);
  return total;
}

void HfWeights::use_names_of(const Family& family) {
  family_ = family;
  const Place* const head = find(kHeadWeight);
  if (find(family.embedding) == nullptr && head != nullptr)
    places_.emplace(family.embedding, *head);
}

const HfWeights::Place* HfWeights::find(const std::string& name) const {
  auto found = places_.find(name);
  const std::string base = family_.base;
  if (found == places_.end() && name.rfind(base, 0) == 0)
    found = places_.find(name.substr(base.size()));
  return found == places_.end() ? nullptr : &found->second;
}

bool HfWeights::has_separate_head() const {
  const Place* const head = find(kHeadWeight);
  const Place* const embedding = find(family_.embedding);
  if (head == nullptr || embedding == nullptr || head->entry == embedding->entry) return false;
  if (head->entry->type != embedding->entry->type || head->entry->shape != embedding->entry->shape)
    return true;
  const bool same = std::memcmp(head->file->data(*head->entry),
                        embedding->file->data(*embedding->entry), head->entry->bytes()) == 0;
  head->file->release(*head->entry);
  embedding->file->release(*embedding->entry);
  return !same;
}

void HfWeights::check(const std::vector<ExpectedTensor>& expected) const {
  std::set<const tensor::TensorEntry*> used;
  std::vector<std::string> problems;
  for (const ExpectedTensor& wanted : expected) {
    const Place* const place = find(wanted.name);
    if (place == nullptr) {
      problems.push_back(
          "tensor '" + wanted.name + "' " + tensor::sizes_text(wanted.shape) + " is missing");
      continue;
    }
    used.insert(place->entry);
    if (place->entry->shape != wanted.shape) {
      problems.push_back(quoted(*place->file, place->entry->name) + ": expected " +
                         tensor::sizes_text(wanted.shape) + ", got " +
                         tensor::sizes_text(place->entry->shape));
    } else if (!tensor_type(place->entry->type)) {
      problems.push_back(quoted(*place->file, place->entry->name) +
                         ": expected F32, F16 or BF16, got " + c10::toString(place->entry->type));
    }
  }
  for (const auto& [name, place] : places_) {
    if (used.count(place.entry) > 0 || is_computed_buffer(name) || name == kHeadWeight) continue;
    problems.push_back(quoted(*place.file, name) + " " + tensor::sizes_text(place.entry->shape) +
                       " is not part of a " + family_.model_type + " of this configuration");
  }
  if (!problems.empty())
    refuse_model(directory_, "tensors do not fit config.json: " + list_problems(problems));
}

std::string HfWeights::dtype(const std::string& name) const {
  return tensor_type_name(*tensor_type(find(name)->entry->type));
}

at::Tensor HfWeights::read(const std::string& name) const {
  const Place& place = *find(name);
  at::Tensor weight = at::empty(place.entry->shape, at::TensorOptions().dtype(at::kFloat));
  dequantize(*tensor_type(place.entry->type), place.file->data(*place.entry), weight.numel(),
      weight.mutable_data_ptr<float>());
  place.file->release(*place.entry);
  weight.requires_grad_(true);
  return weight;
}

}  // namespace salf::convert
