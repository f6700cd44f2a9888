#include "tensor/tensor_file.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/shapes.h"

namespace salf::tensor {
namespace {

using core::Json;

// Memory order is the file's order on x86-64.
constexpr std::uint64_t kLengthBytes = sizeof(std::uint64_t);
constexpr std::uint64_t kLargestHeader = 100'000'000;  // as in Hugging Face's reader
constexpr std::size_t kMostDimensions = 64;
constexpr const char* kMetadataKey = "__metadata__";

struct TypeName {
  c10::ScalarType type;
  const char* name;
};
constexpr std::array<TypeName, 12> kTypes = {{{c10::kFloat8_e4m3fn, "F8_E4M3"},
    {c10::kFloat8_e5m2, "F8_E5M2"}, {c10::kDouble, "F64"}, {c10::kFloat, "F32"},
    {c10::kHalf, "F16"}, {c10::kBFloat16, "BF16"}, {c10::kLong, "I64"}, {c10::kInt, "I32"},
    {c10::kShort, "I16"}, {c10::kChar, "I8"}, {c10::kByte, "U8"}, {c10::kBool, "BOOL"}}};

[[noreturn]] void throw_malformed(const std::string& where, const std::string& problem) {
  throw Error(ErrorKind::kBadInput,
      where + ": " + problem + "; the file is damaged or no safetensors file");
}

// ---- Writing

[[noreturn]] void throw_unwritable(const std::string& problem) {
  throw Error(ErrorKind::kInternal, "tensor file: " + problem);
}

const char* type_name(const TensorPlan& plan) {
  for (const TypeName& entry : kTypes) {
    if (entry.type == plan.type) return entry.name;
  }
  throw_unwritable(plan.name + " has a type that cannot be written: " + c10::toString(plan.type));
}

void check_text(const std::string& text, const char* what) {
  if (core::invalid_utf8(text))
    throw_unwritable(std::string("a ") + what + " is not UTF-8: " + core::printable(text));
}

void check_writable(
    const std::vector<TensorPlan>& plans, const std::map<std::string, std::string>& metadata) {
  std::set<std::string> names = {kMetadataKey};
  for (const TensorPlan& plan : plans) {
    check_text(plan.name, "tensor's name");
    if (!names.insert(plan.name).second)
      throw_unwritable("the name " + plan.name + " occurs twice");
  }
  for (const auto& [key, value] : metadata) {
    check_text(key, "metadata key");
    check_text(value, "metadata value");
  }
}

std::uint64_t planned_bytes(const TensorPlan& plan) {
  std::uint64_t bytes = c10::elementSize(plan.type);
  for (const std::int64_t size : plan.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

// Larger elements first: each tensor then begins at a multiple of its element's size.
std::vector<std::size_t> order_of_bytes(const std::vector<TensorPlan>& plans) {
  std::vector<std::size_t> order(plans.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&plans](std::size_t a, std::size_t b) {
    return c10::elementSize(plans[a].type) > c10::elementSize(plans[b].type);
  });
  return order;
}

std::string make_header(const std::vector<TensorPlan>& plans,
    const std::map<std::string, std::string>& metadata, const std::vector<std::size_t>& order) {
  std::vector<std::uint64_t> begins(plans.size());
  std::uint64_t place = 0;
  for (const std::size_t index : order) {
    begins[index] = place;
    place += planned_bytes(plans[index]);
  }
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    Json entry = Json::object();
    entry["dtype"] = type_name(plans[i]);
    entry["shape"] = plans[i].shape;
    entry["data_offsets"] = {begins[i], begins[i] + planned_bytes(plans[i])};
    header[plans[i].name] = std::move(entry);
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  return text;
}

// ---- Reading

std::uint64_t header_length(const core::MappedFile& file, const std::string& where) {
  if (file.size() < kLengthBytes) throw_malformed(where, "expected 8 bytes of header length");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kLargestHeader || length > file.size() - kLengthBytes) {
    throw_malformed(
        where, "expected a header of at most " +
                   std::to_string(std::min(kLargestHeader, file.size() - kLengthBytes)) +
                   " bytes, got a length of " + std::to_string(length));
  }
  return length;
}

c10::ScalarType read_type(const Json& json, const std::string& where) {
  const std::string text = json.is_string() ? json.get_ref<const std::string&>() : std::string();
  for (const TypeName& entry : kTypes) {
    if (text == entry.name) return entry.type;
  }
  std::vector<std::string> known;
  for (const TypeName& entry : kTypes) known.emplace_back(entry.name);
  core::throw_json_type(where, "one of " + core::join(known, " "), json);
}

// Bytes of a tensor. Empty dimensions count as 1 in the check, since strides are products too.
std::uint64_t tensor_bytes(const TensorEntry& entry, const std::string& where) {
  const std::uint64_t element = c10::elementSize(entry.type);
  const std::uint64_t most =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / element;
  std::uint64_t product = 1;
  bool empty = false;
  for (const std::int64_t size : entry.shape) {
    empty = empty || size == 0;
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    if (product > most / factor) throw_malformed(where, "the shape has too many elements");
    product *= factor;
  }
  return empty ? 0 : product * element;
}

TensorEntry read_entry(
    const std::string& name, const Json& json, std::uint64_t data_bytes, const std::string& where) {
  if (!json.is_object()) core::throw_json_type(where, "an object", json);
  core::detail::check_keys(json, {"dtype", "shape", "data_offsets"}, where);
  for (const char* const key : {"dtype", "shape", "data_offsets"}) {
    if (core::find_member(json, key) == nullptr)
      throw_malformed(where, std::string("there is no \"") + key + "\"");
  }
  TensorEntry entry;
  entry.name = name;
  entry.type = read_type(json["dtype"], where + ".dtype");
  core::from_json(json["shape"], where + ".shape", entry.shape);
  if (entry.shape.size() > kMostDimensions)
    throw_malformed(where, "the shape has too many dimensions");
  if (std::any_of(entry.shape.begin(), entry.shape.end(), [](auto size) { return size < 0; }))
    throw_malformed(where, "the shape has a negative size");
  std::vector<std::uint64_t> offsets;
  core::from_json(json["data_offsets"], where + ".data_offsets", offsets);
  if (offsets.size() != 2) throw_malformed(where, "expected two data_offsets");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end || entry.end > data_bytes) {
    throw_malformed(where, "the data_offsets " + std::to_string(entry.begin) + " to " +
                               std::to_string(entry.end) + " do not lie within the file's " +
                               std::to_string(data_bytes) + " bytes of data");
  }
  const std::uint64_t expected = tensor_bytes(entry, where);
  if (entry.bytes() != expected) {
    throw_malformed(where, "type and shape need " + std::to_string(expected) +
                               " bytes, data_offsets give " + std::to_string(entry.bytes()));
  }
  return entry;
}

// Holes could hide data, and overlaps let a small file become a large one in memory.
void check_coverage(
    const std::vector<TensorEntry>& entries, std::uint64_t data_bytes, const std::string& where) {
  std::vector<const TensorEntry*> order;
  for (const TensorEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  std::uint64_t place = 0;
  for (const TensorEntry* entry : order) {
    if (entry->begin != place) {
      throw_malformed(where + ": " + core::printable(entry->name),
          "expected its data at " + std::to_string(place) +
              ", where the tensor before it ends, got " + std::to_string(entry->begin));
    }
    place = entry->end;
  }
  if (place != data_bytes) {
    throw_malformed(where, "the tensors need " + std::to_string(place) +
                               " bytes of data, the file has " + std::to_string(data_bytes));
  }
}

void read_metadata(
    const Json& json, const std::string& where, std::map<std::string, std::string>& metadata) {
  if (!json.is_object()) core::throw_json_type(where, "an object of strings", json);
  for (auto item = json.begin(); item != json.end(); ++item) {
    core::from_json(*item, where + "." + core::printable(item.key()), metadata[item.key()]);
  }
}

at::Tensor copy_tensor(const MappedTensorFile& file, const TensorEntry& entry) {
  at::Tensor tensor = at::empty(entry.shape, entry.type);
  const std::uint64_t size = entry.bytes();
  if (size == 0) return tensor;
  const std::uint8_t* const bytes = file.data(entry);
  // A bool of another value is undefined behaviour in the kernels.
  if (entry.type == c10::kBool &&
      std::any_of(bytes, bytes + size, [](std::uint8_t b) { return b > 1; })) {
    throw_malformed(core::printable_path(file.path()) + ": " + core::printable(entry.name),
        "a BOOL is neither 0 nor 1");
  }
  std::memcpy(tensor.mutable_data_ptr(), bytes, size);
  return tensor;
}

}  // namespace

void write_tensor_file(const std::filesystem::path& path, const std::vector<TensorPlan>& plans,
    const std::map<std::string, std::string>& metadata,
    const std::function<at::Tensor(const TensorPlan&)>& make) {
  check_writable(plans, metadata);
  const std::vector<std::size_t> order = order_of_bytes(plans);
  const std::string header = make_header(plans, metadata, order);
  const std::uint64_t length = header.size();
  if (length > kLargestHeader) throw_unwritable("the names need a header of more than 100 MB");
  core::AtomicFile atomic(path);
  {
    std::ofstream out(atomic.temporary_path(), std::ios::binary | std::ios::trunc);
    core::write_bytes(out, &length, kLengthBytes, path);
    core::write_bytes(out, header.data(), length, path);
    for (const std::size_t index : order) {
      const at::Tensor tensor = make(plans[index]).detach().to(c10::kCPU).contiguous();
      if (tensor.scalar_type() != plans[index].type || tensor.sizes() != plans[index].shape) {
        throw_unwritable(plans[index].name + " was planned otherwise: " + shape_text(tensor));
      }
      if (tensor.nbytes() > 0)
        core::write_bytes(out, tensor.const_data_ptr(), tensor.nbytes(), path);
    }
  }
  atomic.commit();
}

void write_tensor_file(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<TensorPlan> plans;
  std::map<std::string, const at::Tensor*> tensors;
  for (const NamedTensor& named : file.tensors) {
    if (!named.tensor.defined()) throw_unwritable(named.name + " is undefined");
    plans.push_back({named.name, named.tensor.scalar_type(), named.tensor.sizes().vec()});
    tensors.emplace(named.name, &named.tensor);
  }
  write_tensor_file(path, plans, file.metadata,
      [&tensors](const TensorPlan& plan) { return *tensors.at(plan.name); });
}

MappedTensorFile::MappedTensorFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::string where = core::printable_path(path);
  const std::uint64_t length = header_length(file_, where);
  data_begin_ = kLengthBytes + length;
  const std::string text(reinterpret_cast<const char*>(file_.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{')
    throw_malformed(where, "expected a header that begins with {");
  const Json header = core::parse_json(text, where);
  const std::uint64_t data_bytes = file_.size() - data_begin_;
  for (auto item = header.begin(); item != header.end(); ++item) {
    const std::string place = where + ": " + core::printable(item.key());
    if (item.key() == kMetadataKey) {
      read_metadata(*item, place, metadata_);
    } else {
      entries_.push_back(read_entry(item.key(), *item, data_bytes, place));
    }
  }
  check_coverage(entries_, data_bytes, where);
}

TensorFile read_tensor_file(const std::filesystem::path& path) {
  const MappedTensorFile file(path);
  TensorFile result;
  result.metadata = file.metadata();
  for (const TensorEntry& entry : file.entries()) {
    result.tensors.push_back({entry.name, copy_tensor(file, entry)});
  }
  return result;
}

}  // namespace salf::tensor
