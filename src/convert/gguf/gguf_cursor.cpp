#include "convert/gguf/gguf_cursor.h"

#include "core/error.h"
#include "core/log.h"

namespace salf::convert {

void GgufCursor::fail(std::uint64_t at, const std::string& what, const std::string& expected,
    const std::string& got) const {
  throw Error(ErrorKind::kBadModel, name_ + ": at byte " + std::to_string(at) + ": " + what +
                                        ": expected " + expected + ", got " + core::printable(got) +
                                        "; the file is damaged or not a GGUF model: get it again");
}

void GgufCursor::need(std::uint64_t bytes, const char* what) const {
  if (bytes <= remaining()) return;
  fail(position_, what, std::to_string(bytes) + " more bytes", std::to_string(remaining()));
}

std::string GgufCursor::read_string(const char* what) {
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

std::uint64_t GgufCursor::read_count(std::uint64_t least_bytes, const char* what) {
  const std::uint64_t at = position_;
  const auto count = read<std::uint64_t>(what);
  if (count > remaining() / least_bytes) {
    fail(at, what,
        "at most " + std::to_string(remaining() / least_bytes) + " (what the file can hold)",
        std::to_string(count));
  }
  return count;
}

}  // namespace salf::convert
