#include "report/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "core/error.h"
#include "core/log.h"

namespace salf::report {
namespace {

// Field numbers and wire types of event.proto and summary.proto.
constexpr int kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kSummaryValue = 1, kTag = 1, kSimpleValue = 2;
constexpr int kStatus = 1;
constexpr std::uint64_t kStatusStart = 1;

template <class T> void append_little_endian(T value, std::string& out) {
  std::array<char, sizeof(T)> buffer{};
  std::memcpy(buffer.data(), &value, sizeof(T));  // x86-64 is little-endian
  out.append(buffer.data(), buffer.size());
}

void append_varint(std::uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7F) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void append_key(int field, int type, std::string& out) {
  append_varint(static_cast<std::uint64_t>(field * 8 + type), out);
}

void append_bytes(int field, const std::string& bytes, std::string& out) {
  append_key(field, kBytes, out);
  append_varint(bytes.size(), out);
  out += bytes;
}

void append_number(int field, std::uint64_t value, std::string& out) {
  append_key(field, kVarint, out);
  append_varint(value, out);
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string event_at(std::int64_t step) {
  std::string event;
  append_key(kWallTime, kFixed64, event);
  append_little_endian(wall_time(), event);
  append_number(kStep, static_cast<std::uint64_t>(step), event);
  return event;
}

std::string file_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::string name = host[0] == '\0' ? "localhost" : host.data();
  std::replace(name.begin(), name.end(), '/', '_');
  return "events.out.tfevents." + std::to_string(static_cast<std::int64_t>(wall_time())) + "." +
         name + "." + std::to_string(::getpid()) + ".salf";
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? 0x82F63B78U ^ (crc >> 1) : crc >> 1;
  }
  return crc ^ 0xFFFFFFFFU;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t first_step)
    : path_(folder / file_name()) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw Error(
        ErrorKind::kIo, core::printable(folder.string()) + ": cannot be made: " + error.message());
  stream_.open(path_, std::ios::binary | std::ios::trunc);
  std::string version = event_at(0);
  append_bytes(kFileVersion, "brain.Event:2", version);
  record(version);
  std::string session, start = event_at(first_step);
  append_number(kStatus, kStatusStart, session);
  append_bytes(kSessionLog, session, start);
  record(start);
}

void EventFile::write(std::int64_t step, const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    append_bytes(kTag, scalar.tag, value);
    append_key(kSimpleValue, kFixed32, value);
    append_little_endian(static_cast<float>(scalar.value), value);
    append_bytes(kSummaryValue, value, summary);
  }
  std::string event = event_at(step);
  append_bytes(kSummary, summary, event);
  record(event);
}

void EventFile::record(const std::string& event) {
  std::string out;
  append_little_endian(static_cast<std::uint64_t>(event.size()), out);
  append_little_endian(masked_crc32c(out), out);
  out += event;
  append_little_endian(masked_crc32c(event), out);
  stream_.write(out.data(), static_cast<std::streamsize>(out.size()));
  stream_.flush();
  if (!stream_)
    throw Error(ErrorKind::kIo,
        core::printable(path_.string()) + ": cannot be written (is the disk full?)");
}

}  // namespace salf::report
