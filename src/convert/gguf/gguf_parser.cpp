#include "convert/gguf/gguf_parser.h"

#include <limits>
#include <set>

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

enum class ValueType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};
constexpr std::uint32_t kValueTypes = 13;

std::uint64_t least_bytes(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool: return 1;
    case ValueType::kUint16:
    case ValueType::kInt16: return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32: return 4;
    case ValueType::kArray: return 4 + 8;
    case ValueType::kString:
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64: return 8;
  }
  return 1;
}

class Parser {
 public:
  Parser(const core::MappedFile& file, const std::string& name)
      : cursor_(file, name), size_(file.size()) {}

  GgufContent parse() {
    GgufContent content;
    read_version(content);
    const std::uint64_t tensors = cursor_.read_count(kLeastTensorBytes, "number of tensors");
    const std::uint64_t entries =
        cursor_.read_count(kLeastEntryBytes, "number of metadata entries");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry(content);
    const std::uint64_t alignment = read_alignment(content);
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor(content);
    place_tensors(content, alignment);
    return content;
  }

 private:
  void read_version(GgufContent& content) {
    const auto magic = cursor_.read<std::uint32_t>("magic number");
    if (magic != kMagic) cursor_.fail(0, "magic number", "\"GGUF\"", "another kind of file");
    content.version = cursor_.read<std::uint32_t>("version");
    if (content.version == 2 || content.version == 3) return;
    const bool big_endian = content.version != 0 && (content.version & 0xFFFFU) == 0;
    cursor_.fail(4, "version", "2 or 3 (little endian)",
        big_endian ? "a big-endian file" : std::to_string(content.version));
  }

  std::string read_name(const char* what) {
    const std::uint64_t at = cursor_.position();
    std::string name = cursor_.read_string(what);
    if (name.empty() || name.size() > 65535 || core::invalid_utf8(name)) {
      cursor_.fail(at, what, "1 to 65535 bytes of UTF-8", name.empty() ? "nothing" : name);
    }
    return name;
  }

  void read_entry(GgufContent& content) {
    const std::uint64_t at = cursor_.position();
    const std::string key = read_name("metadata key");
    const ValueType type = read_type();
    GgufValue value = read_value(type);
    if (!content.metadata.emplace(key, std::move(value)).second) {
      cursor_.fail(at, "metadata key", "each key once", "'" + key + "' again");
    }
    if (key == "general.alignment") alignment_at_ = at;
  }

  ValueType read_type() {
    const std::uint64_t at = cursor_.position();
    const auto code = cursor_.read<std::uint32_t>("metadata type");
    if (code >= kValueTypes) cursor_.fail(at, "metadata type", "0 to 12", std::to_string(code));
    return static_cast<ValueType>(code);
  }

  template <class Wide, class Narrow>
  Wide read_as() {
    return static_cast<Wide>(cursor_.read<Narrow>("metadata value"));
  }

  bool read_bool() {
    const std::uint64_t at = cursor_.position();
    const auto byte = cursor_.read<std::uint8_t>("metadata value");
    if (byte > 1) cursor_.fail(at, "truth value", "0 or 1", std::to_string(byte));
    return byte == 1;
  }

  GgufValue read_value(ValueType type) {
    switch (type) {
      case ValueType::kUint8: return read_as<std::uint64_t, std::uint8_t>();
      case ValueType::kUint16: return read_as<std::uint64_t, std::uint16_t>();
      case ValueType::kUint32: return read_as<std::uint64_t, std::uint32_t>();
      case ValueType::kUint64: return read_as<std::uint64_t, std::uint64_t>();
      case ValueType::kInt8: return read_as<std::int64_t, std::int8_t>();
      case ValueType::kInt16: return read_as<std::int64_t, std::int16_t>();
      case ValueType::kInt32: return read_as<std::int64_t, std::int32_t>();
      case ValueType::kInt64: return read_as<std::int64_t, std::int64_t>();
      case ValueType::kFloat32: return read_as<double, float>();
      case ValueType::kFloat64: return read_as<double, double>();
      case ValueType::kBool: return read_bool();
      case ValueType::kString: return cursor_.read_string("metadata value");
      case ValueType::kArray: return read_array(1);
    }
    return std::uint64_t{0};
  }

  // Grows by what is read, never by what `count` promises.
  template <class T, class Read>
  static GgufArray collect(std::uint64_t count, Read read) {
    std::vector<T> values;
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(read());
    return {std::move(values)};
  }

  template <class Wide, class Narrow>
  GgufArray numbers(std::uint64_t count) {
    return collect<Wide>(count, [this] { return read_as<Wide, Narrow>(); });
  }

  GgufArray read_array(int depth) {
    const std::uint64_t at = cursor_.position();
    if (depth > kDeepestArray) {
      cursor_.fail(at, "array", "at most " + std::to_string(kDeepestArray) + " levels", "more");
    }
    const ValueType type = read_type();
    const std::uint64_t count = cursor_.read_count(least_bytes(type), "number of array elements");
    switch (type) {
      case ValueType::kUint8: return numbers<std::uint64_t, std::uint8_t>(count);
      case ValueType::kUint16: return numbers<std::uint64_t, std::uint16_t>(count);
      case ValueType::kUint32: return numbers<std::uint64_t, std::uint32_t>(count);
      case ValueType::kUint64: return numbers<std::uint64_t, std::uint64_t>(count);
      case ValueType::kInt8: return numbers<std::int64_t, std::int8_t>(count);
      case ValueType::kInt16: return numbers<std::int64_t, std::int16_t>(count);
      case ValueType::kInt32: return numbers<std::int64_t, std::int32_t>(count);
      case ValueType::kInt64: return numbers<std::int64_t, std::int64_t>(count);
      case ValueType::kFloat32: return numbers<double, float>(count);
      case ValueType::kFloat64: return numbers<double, double>(count);
      case ValueType::kBool: return collect<bool>(count, [this] { return read_bool(); });
      case ValueType::kString:
        return collect<std::string>(count, [this] { return cursor_.read_string("array element"); });
      case ValueType::kArray:
        return collect<GgufArray>(count, [this, depth] { return read_array(depth + 1); });
    }
    return {};
  }

  std::uint64_t read_alignment(const GgufContent& content) const {
    const auto found = content.metadata.find("general.alignment");
    if (found == content.metadata.end()) return kDefaultAlignment;
    const auto* value = std::get_if<std::uint64_t>(&found->second);
    if (value == nullptr || *value == 0 || *value > kLargestAlignment ||
        (*value & (*value - 1)) != 0) {
      cursor_.fail(alignment_at_, "general.alignment", "an unsigned power of two up to 2^20",
          value == nullptr ? "another type" : std::to_string(*value));
    }
    return *value;
  }

  void read_tensor(GgufContent& content) {
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
    content.tensors.push_back(std::move(tensor));
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
  void place_tensors(GgufContent& content, std::uint64_t alignment) const {
    const std::uint64_t end = cursor_.position();
    const std::uint64_t start = (end + alignment - 1) / alignment * alignment;
    for (std::size_t i = 0; i < content.tensors.size(); ++i) {
      GgufTensor& tensor = content.tensors[i];
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

  GgufCursor cursor_;
  std::uint64_t size_;
  std::uint64_t alignment_at_ = 0;
  std::set<std::string> names_;
  std::vector<std::uint64_t> offset_at_;
};

}  // namespace

GgufContent parse_gguf(const core::MappedFile& file, const std::string& name) {
  return Parser(file, name).parse();
}

}  // namespace salf::convert
