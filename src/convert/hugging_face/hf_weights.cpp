#include "convert/hugging_face/hf_weights.h"

#include <ATen/Functions.h>

#include <algorithm>
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

// The name without what wrappers put into it: torch.compile, DataParallel, PEFT, models of several
// kinds of input.
std::string plain_name(std::string name) {
  constexpr std::string_view kCompiled = "_orig_mod.";
  for (std::size_t at = name.find(kCompiled); at != std::string::npos; at = name.find(kCompiled))
    name.erase(at, kCompiled.size());
  for (const char* prefix : {"module.", "base_model.model.", "language_model."}) {
    if (core::starts_with(name, prefix)) name.erase(0, std::string_view(prefix).size());
  }
  constexpr std::string_view kLanguage = "model.language_model.";
  if (core::starts_with(name, std::string(kLanguage))) name.replace(0, kLanguage.size(), "model.");
  return name;
}

bool is_eight_bits(c10::ScalarType type) {
  return type == c10::kFloat8_e4m3fn || type == c10::kFloat8_e5m2;
}

// The scales of 8-bit weights, which the weights are multiplied by, whatever they are called.
constexpr const char* kScales[] = {"_scale", "_scale_inv"};

// Scales of activations and of the cache, which inference in 8 bits uses.
bool is_activation_scale(const std::string& name) {
  for (const char* end : {".input_scale", ".output_scale", ".k_scale", ".v_scale", ".q_scale",
           ".input_scale_ub", ".activation_scale"}) {
    if (core::ends_with(name, end)) return true;
  }
  return false;
}

// The weight times its scales: one, one a row, or one a block of rows and columns.
void multiply_by_scales(at::Tensor& weight, const at::Tensor& scales, const std::string& what) {
  at::Tensor factors = scales;
  if (factors.dim() == 1 && factors.numel() == weight.size(0)) factors = factors.unsqueeze(1);
  if (factors.numel() > 1 && factors.dim() == 2 && weight.dim() == 2) {
    for (const std::int64_t side : {0, 1}) {
      const std::int64_t size = weight.size(side), count = factors.size(side);
      if (count == size || count == 1) continue;
      constexpr std::int64_t kScaled = 128;
      const std::int64_t block = (size + kScaled - 1) / kScaled == count ? kScaled : size / count;
      if (count < 1 || block < 1 || (size + block - 1) / block != count) {
        throw Error(ErrorKind::kBadModel, what + ": expected scales of blocks of the weight's " +
                                              tensor::sizes_text(weight.sizes()) + ", got " +
                                              tensor::sizes_text(scales.sizes()));
      }
      factors = factors.repeat_interleave(block, side).narrow(side, 0, size);
    }
  } else if (factors.numel() != 1) {
    throw Error(ErrorKind::kBadModel, what + ": expected one scale, or one for each row or block");
  }
  weight.mul_(factors.numel() == 1 ? factors.reshape({}) : factors);
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
      const auto [place, is_new] = places_.emplace(plain_name(entry.name), Place{&file, &entry});
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
    const auto found = places_.find(plain_name(name));
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
    } else if (is_eight_bits(place->entry->type)) {
      if (const Place* const scales = scales_of(wanted.name)) {
        used.insert(scales->entry);
      } else {
        problems.push_back(quoted(*place->file, place->entry->name) + ": is " +
                           c10::toString(place->entry->type) + " and has no " + wanted.name +
                           "_scale or " + wanted.name + "_scale_inv");
      }
    } else if (!tensor_type(place->entry->type)) {
      problems.push_back(quoted(*place->file, place->entry->name) +
                         ": expected F32, F16, BF16 or F8 with scales, got " +
                         c10::toString(place->entry->type));
    }
  }
  for (const auto& [name, place] : places_) {
    if (used.count(place.entry) > 0 || is_computed_buffer(name) || name == kHeadWeight ||
        is_activation_scale(name))
      continue;
    problems.push_back(quoted(*place.file, name) + " " + tensor::sizes_text(place.entry->shape) +
                       " is not part of a " + family_.model_type + " of this configuration");
  }
  if (!problems.empty())
    refuse_model(directory_, "tensors do not fit config.json: " + list_problems(problems));
}

std::string HfWeights::dtype(const std::string& name) const {
  const c10::ScalarType type = find(name)->entry->type;
  return is_eight_bits(type) ? "BF16" : tensor_type_name(*tensor_type(type));
}

const HfWeights::Place* HfWeights::scales_of(const std::string& name) const {
  for (const char* end : kScales) {
    if (const Place* const scales = find(name + end)) return scales;
  }
  return nullptr;
}

bool HfWeights::has_eight_bits() const {
  return std::any_of(places_.begin(), places_.end(),
      [](const auto& item) { return is_eight_bits(item.second.entry->type); });
}

at::Tensor HfWeights::read_eight_bits(const std::string& name, const Place& place) const {
  const auto as_float = [](const Place& of) {
    const auto options = at::TensorOptions().dtype(of.entry->type);
    auto* const bytes = const_cast<std::uint8_t*>(of.file->data(*of.entry));  // only read
    at::Tensor values = at::from_blob(bytes, of.entry->shape, options).to(at::kFloat);
    return of.entry->type == c10::kFloat ? values.clone() : values;
  };
  at::Tensor weight = as_float(place);
  place.file->release(*place.entry);
  const Place& scales = *scales_of(name);
  multiply_by_scales(weight, as_float(scales), quoted(*scales.file, scales.entry->name));
  weight.requires_grad_(true);
  return weight;
}

at::Tensor HfWeights::read(const std::string& name) const {
  const Place& place = *find(name);
  if (is_eight_bits(place.entry->type)) return read_eight_bits(name, place);
  at::Tensor weight = at::empty(place.entry->shape, at::TensorOptions().dtype(at::kFloat));
  dequantize(*tensor_type(place.entry->type), place.file->data(*place.entry), weight.numel(),
      weight.mutable_data_ptr<float>());
  place.file->release(*place.entry);
  weight.requires_grad_(true);
  return weight;
}

}  // namespace salf::convert
