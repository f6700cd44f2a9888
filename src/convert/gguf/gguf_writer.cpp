#include "convert/gguf/gguf_writer.h"

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/files.h"

namespace salf::convert {
namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::uint32_t kVersion = 3;

template <class T> void put(std::string& bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

void put_text(std::string& bytes, const std::string& text) {
  put<std::uint64_t>(bytes, text.size());
  bytes += text;
}

std::uint64_t padding_after(std::uint64_t size) {
  return (kAlignment - size % kAlignment) % kAlignment;
}

std::string make_header(const GgufMetadata& metadata, const std::vector<GgufTensorPlan>& plans) {
  std::string header = "GGUF";
  put<std::uint32_t>(header, kVersion);
  put<std::uint64_t>(header, plans.size());
  put<std::uint64_t>(header, metadata.entries());
  header += metadata.bytes();
  std::uint64_t offset = 0;
  for (const GgufTensorPlan& plan : plans) {
    put_text(header, plan.name);
    put<std::uint32_t>(header, static_cast<std::uint32_t>(plan.shape.size()));
    for (auto size = plan.shape.rbegin(); size != plan.shape.rend(); ++size)
      put<std::uint64_t>(header, static_cast<std::uint64_t>(*size));
    put<std::uint32_t>(header, static_cast<std::uint32_t>(plan.type));
    put<std::uint64_t>(header, offset);
    offset += plan.bytes + padding_after(plan.bytes);
  }
  header.append(padding_after(header.size()), '\0');
  return header;
}

}  // namespace

void GgufMetadata::begin(const std::string& key, GgufValueType type) {
  ++entries_;
  put_text(bytes_, key);
  put(bytes_, type);
}

void GgufMetadata::begin_array(const std::string& key, GgufValueType type, std::size_t size) {
  begin(key, GgufValueType::kArray);
  put(bytes_, type);
  put<std::uint64_t>(bytes_, size);
}

void GgufMetadata::whole(const std::string& key, std::int64_t value) {
  begin(key, GgufValueType::kUint32);
  put(bytes_, static_cast<std::uint32_t>(value));
}

void GgufMetadata::real(const std::string& key, double value) {
  begin(key, GgufValueType::kFloat32);
  put(bytes_, static_cast<float>(value));
}

void GgufMetadata::flag(const std::string& key, bool value) {
  begin(key, GgufValueType::kBool);
  put<std::uint8_t>(bytes_, value ? 1 : 0);
}

void GgufMetadata::text(const std::string& key, const std::string& value) {
  begin(key, GgufValueType::kString);
  put_text(bytes_, value);
}

void GgufMetadata::texts(const std::string& key, const std::vector<std::string>& values) {
  begin_array(key, GgufValueType::kString, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}

void GgufMetadata::wholes(const std::string& key, const std::vector<std::int64_t>& values) {
  begin_array(key, GgufValueType::kInt32, values.size());
  for (const std::int64_t value : values) put(bytes_, static_cast<std::int32_t>(value));
}

void GgufMetadata::reals(const std::string& key, const std::vector<double>& values) {
  begin_array(key, GgufValueType::kFloat32, values.size());
  for (const double value : values) put(bytes_, static_cast<float>(value));
}

void write_gguf_file(const std::filesystem::path& path, const GgufMetadata& metadata,
    const std::vector<GgufTensorPlan>& plans,
    const std::function<std::vector<std::uint8_t>(const GgufTensorPlan&)>& make) {
  constexpr char kZeros[kAlignment] = {};
  core::AtomicFile atomic(path);
  {
    std::ofstream out(atomic.temporary_path(), std::ios::binary | std::ios::trunc);
    const std::string header = make_header(metadata, plans);
    core::write_bytes(out, header.data(), header.size(), path);
    for (const GgufTensorPlan& plan : plans) {
      const std::vector<std::uint8_t> bytes = make(plan);
      if (bytes.size() != plan.bytes) {
        throw Error(ErrorKind::kInternal, "GGUF: " + plan.name + " was planned with " +
                                              std::to_string(plan.bytes) + " bytes, got " +
                                              std::to_string(bytes.size()));
      }
      core::write_bytes(out, bytes.data(), bytes.size(), path);
      core::write_bytes(out, kZeros, padding_after(bytes.size()), path);
    }
  }
  atomic.commit();
}

}  // namespace salf::convert
