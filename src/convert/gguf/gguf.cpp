#include "convert/gguf/gguf.h"

#include <cstdio>
#include <cstring>
#include <limits>
#include <set>

#include "core/log.h"
#include "core/text.h"

namespace salf::convert {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;           // "GGUF"
constexpr std::uint64_t kLeastEntryBytes = 8 + 4 + 1;  // key length, type, smallest value
constexpr std::uint64_t kLeastTensorBytes =
    8 + 4 + 8 + 4 + 8;  // name length, rank, one size, type, offset
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kLargestAlignment = 1ULL << 20U;
constexpr std::uint32_t kLargestRank = 4;
constexpr int kDeepestArray = 4;

constexpr std::uint32_t kValueTypes = 13;
constexpr std::uint64_t kLeastBytes[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 4 + 8, 8, 8, 8};

// Reads little-endian values from a mapped file and checks every read against the file's end.
// (Memory order is the file's order on x86-64.)
class Cursor {
 public:
  Cursor(const core::MappedFile& file, std::string name)
      : data_(file.data()), size_(file.size()), name_(std::move(name)) {}

  std::uint64_t position() const { return position_; }

  template <class T> T read(const char* what) {
    if (sizeof(T) > remaining())
      fail(position_, what, std::to_string(sizeof(T)) + " more bytes", std::to_string(remaining()));
    T value;
    std::memcpy(&value, data_ + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  // A length in 64 bits, then so many bytes.
  std::string read_string(const char* what) {
    const std::uint64_t at = position_;
    const auto length = read<std::uint64_t>(what);
    if (length > remaining()) {
      fail(at, std::string(what) + " (length of a string)",
          "at most the " + std::to_string(remaining()) + " bytes left", std::to_string(length));
    }
    std::string text(
        reinterpret_cast<const char*>(data_ + position_), static_cast<std::size_t>(length));
    position_ += length;
    return text;
  }

  // A count of things of at least `least_bytes` each, which the rest of the file must hold.
  std::uint64_t read_count(std::uint64_t least_bytes, const char* what) {
    const std::uint64_t at = position_;
    const auto count = read<std::uint64_t>(what);
    const std::uint64_t most = remaining() / least_bytes;
    if (count > most) {
      fail(at, what, "at most " + std::to_string(most) + " (what the file can hold)",
          std::to_string(count));
    }
    return count;
  }

  [[noreturn]] void fail(std::uint64_t at, const std::string& what, const std::string& expected,
      const std::string& got) const {
    throw Error(
        ErrorKind::kBadModel, name_ + ": at byte " + std::to_string(at) + ": " + what +
                                  ": expected " + expected + ", got " + core::printable(got) +
                                  "; the file is damaged or not a GGUF model: get it again");
  }

 private:
  std::uint64_t remaining() const { return size_ - position_; }

  const std::uint8_t* data_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  std::string name_;
};

class Parser {
 public:
  Parser(const core::MappedFile& file, const std::string& name)
      : cursor_(file, name), size_(file.size()) {}

  GgufContent parse() {
    check_version();
    const std::uint64_t tensors = cursor_.read_count(kLeastTensorBytes, "number of tensors");
    const std::uint64_t entries =
        cursor_.read_count(kLeastEntryBytes, "number of metadata entries");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry();
    const std::uint64_t alignment = read_alignment();
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors(alignment);
    return std::move(content_);
  }

 private:
  void check_version() {
    const auto magic = cursor_.read<std::uint32_t>("magic number");
    if (magic != kMagic) cursor_.fail(0, "magic number", "\"GGUF\"", "another kind of file");
    const auto version = cursor_.read<std::uint32_t>("version");
    if (version == 2 || version == 3) return;
    const bool big_endian = version != 0 && (version & 0xFFFFU) == 0;
    cursor_.fail(4, "version", "2 or 3 (little endian)",
        big_endian ? "a big-endian file" : std::to_string(version));
  }

  std::string read_name(const char* what) {
    const std::uint64_t at = cursor_.position();
    std::string name = cursor_.read_string(what);
    if (name.empty() || name.size() > 65535 || core::invalid_utf8(name)) {
      cursor_.fail(at, what, "1 to 65535 bytes of UTF-8", name.empty() ? "nothing" : name);
    }
    return name;
  }

  template <class T> core::Json read_number() { return cursor_.read<T>("metadata value"); }

  // `depth`: of an array, from 1.
  core::Json read_value(GgufValueType type, int depth) {
    switch (type) {
      case GgufValueType::kUint8: return read_number<std::uint8_t>();
      case GgufValueType::kUint16: return read_number<std::uint16_t>();
      case GgufValueType::kUint32: return read_number<std::uint32_t>();
      case GgufValueType::kUint64: return read_number<std::uint64_t>();
      case GgufValueType::kInt8: return read_number<std::int8_t>();
      case GgufValueType::kInt16: return read_number<std::int16_t>();
      case GgufValueType::kInt32: return read_number<std::int32_t>();
      case GgufValueType::kInt64: return read_number<std::int64_t>();
      case GgufValueType::kFloat32: return read_number<float>();
      case GgufValueType::kFloat64: return read_number<double>();
      case GgufValueType::kBool: return read_bool();
      case GgufValueType::kString: return cursor_.read_string("metadata value");
      case GgufValueType::kArray: break;
    }
    return read_array(depth);
  }

  void read_entry() {
    const std::uint64_t at = cursor_.position();
    const std::string key = read_name("metadata key");
    if (!content_.metadata.emplace(key, read_value(read_type(), 1)).second)
      cursor_.fail(at, "metadata key", "each key once", "'" + key + "' again");
    if (key == "general.alignment") alignment_at_ = at;
  }

  GgufValueType read_type() {
    const std::uint64_t at = cursor_.position();
    const auto code = cursor_.read<std::uint32_t>("metadata type");
    if (code >= kValueTypes) cursor_.fail(at, "metadata type", "0 to 12", std::to_string(code));
    return static_cast<GgufValueType>(code);
  }

  bool read_bool() {
    const std::uint64_t at = cursor_.position();
    const auto byte = cursor_.read<std::uint8_t>("metadata value");
    if (byte > 1) cursor_.fail(at, "truth value", "0 or 1", std::to_string(byte));
    return byte == 1;
  }

  core::Json read_array(int depth) {
    const std::uint64_t at = cursor_.position();
    if (depth > kDeepestArray)
      cursor_.fail(at, "array", "at most " + std::to_string(kDeepestArray) + " levels", "more");
    const GgufValueType type = read_type();
    const std::uint64_t count =
        cursor_.read_count(kLeastBytes[static_cast<std::size_t>(type)], "number of array elements");
    core::Json values = core::Json::array();  // grows by what is read, never by what is promised
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(read_value(type, depth + 1));
    return values;
  }

  std::uint64_t read_alignment() const {
    const auto found = content_.metadata.find("general.alignment");
    if (found == content_.metadata.end()) return kDefaultAlignment;
    const bool is_unsigned = found->second.is_number_unsigned();
    const auto value = is_unsigned ? found->second.get<std::uint64_t>() : 0;
    if (value == 0 || value > kLargestAlignment || (value & (value - 1)) != 0) {
      cursor_.fail(alignment_at_, "general.alignment", "an unsigned power of two up to 2^20",
          is_unsigned ? std::to_string(value) : "another type");
    }
    return value;
  }

  void read_tensor() {
    const std::uint64_t at = cursor_.position();
    GgufTensor tensor;
    tensor.name = read_name("tensor name");
    if (!names_.insert(tensor.name).second) {
      cursor_.fail(at, "tensor name", "each tensor once", "'" + tensor.name + "' again");
    }
    read_shape(tensor);
    const std::uint64_t type_at = cursor_.position();
    const auto code = cursor_.read<std::uint32_t>("tensor type");
    const std::optional<TensorType> type = tensor_type(code);
    if (!type) {
      cursor_.fail(type_at, "type of tensor '" + tensor.name + "'",
          "one of " + supported_tensor_types(),
          tensor_type_name(code) + " (which salf does not read)");
    }
    tensor.type = *type;
    offset_at_.push_back(cursor_.position());
    tensor.offset = cursor_.read<std::uint64_t>("tensor offset");
    measure(tensor, type_at);
    content_.tensors.push_back(std::move(tensor));
  }

  // The file gives the fastest-running size first.
  void read_shape(GgufTensor& tensor) {
    const std::uint64_t at = cursor_.position();
    const auto rank = cursor_.read<std::uint32_t>("tensor rank");
    if (rank == 0 || rank > kLargestRank) {
      cursor_.fail(at, "rank of tensor '" + tensor.name + "'", "1 to 4", std::to_string(rank));
    }
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const std::uint64_t size_at = cursor_.position();
      const auto size = cursor_.read<std::uint64_t>("tensor size");
      if (size == 0 || size > kLargest / elements) {
        cursor_.fail(size_at, "size " + std::to_string(i) + " of tensor '" + tensor.name + "'",
            "a positive number of elements below 2^63", std::to_string(size));
      }
      elements *= size;
      tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(size));
    }
    tensor.elements = static_cast<std::int64_t>(elements);
  }

  void measure(GgufTensor& tensor, std::uint64_t at) const {
    const BlockLayout layout = block_layout(tensor.type);
    const std::int64_t columns = tensor.shape.back();
    if (columns % layout.elements != 0) {
      cursor_.fail(at, "row of tensor '" + tensor.name + "'",
          "a multiple of " + std::to_string(layout.elements) + " elements",
          std::to_string(columns));
    }
    const auto blocks = static_cast<std::uint64_t>(tensor.elements / layout.elements);
    const auto block_bytes = static_cast<std::uint64_t>(layout.bytes);
    if (blocks > size_ / block_bytes) {
      cursor_.fail(at, "tensor '" + tensor.name + "'",
          "at most the file's " + std::to_string(size_) + " bytes",
          std::to_string(tensor.elements) + " elements");
    }
    tensor.bytes = blocks * block_bytes;
  }

  // Offsets in the file count from the aligned end of the tensor list.
  void place_tensors(std::uint64_t alignment) {
    const std::uint64_t end = cursor_.position();
    const std::uint64_t start = (end + alignment - 1) / alignment * alignment;
    for (std::size_t i = 0; i < content_.tensors.size(); ++i) {
      GgufTensor& tensor = content_.tensors[i];
      if (tensor.offset % alignment != 0) {
        cursor_.fail(offset_at_[i], "offset of tensor '" + tensor.name + "'",
            "a multiple of " + std::to_string(alignment), std::to_string(tensor.offset));
      }
      const std::uint64_t room = start <= size_ ? size_ - start : 0;
      if (tensor.bytes > room || tensor.offset > room - tensor.bytes) {
        cursor_.fail(offset_at_[i], "place of tensor '" + tensor.name + "'",
            std::to_string(tensor.bytes) + " bytes within a data section of " +
                std::to_string(room),
            "offset " + std::to_string(tensor.offset));
      }
      tensor.offset += start;
    }
  }

  Cursor cursor_;
  GgufContent content_;
  std::uint64_t size_;
  std::uint64_t alignment_at_ = 0;
  std::set<std::string> names_;
  std::vector<std::uint64_t> offset_at_;
};

std::string part_end(std::int64_t index, std::int64_t count) {
  char end[64];
  std::snprintf(end, sizeof end, "-%05lld-of-%05lld.gguf", static_cast<long long>(index),
      static_cast<long long>(count));
  return end;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) {
  content_ = open(path);
  open_parts();
  for (std::size_t i = 0; i < tensors().size(); ++i) tensor_index_.emplace(tensors()[i].name, i);
}

GgufContent GgufFile::open(const std::filesystem::path& path) {
  paths_.push_back(path);
  return Parser(files_.emplace_back(path), path.string()).parse();
}

// llama.cpp's gguf-split numbers the files in their names and in their metadata.
void GgufFile::open_parts() {
  const std::int64_t count = integer("split.count").value_or(1);
  if (count <= 1) return;
  constexpr std::int64_t kMost = 65535;
  const std::string name = path().filename().string();
  const std::string end = part_end(1, count);
  if (count > kMost || integer("split.no").value_or(0) != 0 || !core::ends_with(name, end)) {
    refuse("the model is in " + std::to_string(count) + " files: give the first, NAME" + end +
           ", with the others beside it");
  }
  const std::string stem = name.substr(0, name.size() - end.size());
  for (std::int64_t i = 2; i <= count; ++i) {
    const std::filesystem::path next = path().parent_path() / (stem + part_end(i, count));
    GgufContent part = open(next);
    if (part.metadata["split.no"] != i - 1 || part.metadata["split.count"] != count)
      refuse_model(next, "expected part " + std::to_string(i) + " of " + std::to_string(count) +
                             " of the model, by split.no and split.count");
    for (GgufTensor& tensor : part.tensors) {
      tensor.part = static_cast<std::size_t>(i - 1);
      content_.tensors.push_back(std::move(tensor));
    }
  }
  const auto tensors = static_cast<std::int64_t>(content_.tensors.size());
  const std::int64_t stated = integer("split.tensors.count").value_or(tensors);
  std::set<std::string> names;
  for (const GgufTensor& tensor : content_.tensors) names.insert(tensor.name);
  if (stated != tensors || names.size() != content_.tensors.size())
    refuse("its files hold " + std::to_string(names.size()) + " tensors, expected " +
           std::to_string(stated) + ": are they all of one model?");
}

const GgufTensor* GgufFile::find(const std::string& name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors()[found->second];
}

}  // namespace salf::convert
