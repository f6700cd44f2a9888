#include "core/file_kind.h"

#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "core/log.h"

namespace salf::core {
namespace {

struct Magic {
  std::string_view bytes;
  const char* kind;
};
using namespace std::string_view_literals;
constexpr Magic kMagics[] = {{"PAR1"sv, "a Parquet file"}, {"ARROW1"sv, "an Arrow file"},
    {"FEA1"sv, "a Feather file"}, {"GGUF"sv, "a GGUF file (a model)"},
    {"PK\x03\x04"sv, "a zip archive (an Excel or Word file is one, and so is a PyTorch file)"},
    {"\x28\xB5\x2F\xFD"sv, "zstd data"}, {"BZh"sv, "bzip2 data"},
    {"\xFD"
     "7zXZ\0"sv,
        "xz data"},
    {"%PDF-"sv, "a PDF file"}, {"\x89HDF\r\n"sv, "an HDF5 file"},
    {"SQLite format 3\0"sv, "an SQLite file"}, {"\xFF\xFE"sv, "text in UTF-16"},
    {"\xFE\xFF"sv, "text in UTF-16"}};

// Half of the bytes of English text in UTF-16 are NUL.
bool looks_like_utf16(std::string_view bytes) {
  constexpr std::size_t kFewest = 8;
  if (bytes.size() < kFewest) return false;
  std::size_t even = 0, odd = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') ++(i % 2 == 0 ? even : odd);
  }
  const std::size_t half = bytes.size() / 2;
  return (even > half * 3 / 4 && odd == 0) || (odd > half * 3 / 4 && even == 0);
}

}  // namespace

bool is_lfs_pointer(std::string_view bytes) {
  constexpr std::string_view kBegin = "version https://git-lfs.github.com/spec/";
  return bytes.substr(0, kBegin.size()) == kBegin;
}

std::optional<std::string> binary_kind(std::string_view bytes) {
  for (const Magic& magic : kMagics) {
    if (bytes.substr(0, magic.bytes.size()) == magic.bytes) return magic.kind;
  }
  if (looks_like_utf16(bytes)) return "text in UTF-16";
  return std::nullopt;
}

std::string first_bytes(const std::filesystem::path& path, std::size_t count) {
  std::string bytes(count, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

void refuse_lfs_pointer(const std::filesystem::path& path) {
  if (is_lfs_pointer(first_bytes(path, 64))) throw_lfs_pointer(printable_path(path));
}

void throw_lfs_pointer(const std::string& file) {
  throw Error(ErrorKind::kBadInput,
      file +
          ": is a Git LFS pointer: the folder was cloned without the file itself; fetch it with "
          "git lfs install && git lfs pull in that folder");
}

}  // namespace salf::core
