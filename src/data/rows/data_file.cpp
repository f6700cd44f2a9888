#include "data/rows/data_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::data {
namespace {

constexpr std::size_t kReadSize = std::size_t{1} << 16U;
constexpr std::int64_t kFreeBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLargestRatio = 200;
constexpr char kGzipMagic[] = {'\x1F', '\x8B'};

std::string system_message() { return std::generic_category().message(errno); }

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::kIo, message); }

bool is_standard_input(const std::filesystem::path& path) { return path == kStandardInput; }

}  // namespace

RawFile::RawFile(const std::filesystem::path& path) {
  if (is_standard_input(path)) {
    name_ = "standard input";
    if (::isatty(STDIN_FILENO) == 1) {
      refuse(
          "--data - reads the rows from standard input, which is a terminal: pipe them in, or name "
          "a file");
    }
    descriptor_ = STDIN_FILENO;
    return;
  }
  name_ = core::printable_path(path);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    refuse("cannot read the data file " + name_ + ": " + system_message());
  if (!S_ISREG(status.st_mode)) {
    refuse(name_ + ": expected a data file, got " +
           (S_ISDIR(status.st_mode) ? "a folder" : "no regular file"));
  }
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) refuse("cannot read the data file " + name_ + ": " + system_message());
  size_ = status.st_size;
}

RawFile::~RawFile() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

std::size_t RawFile::read(char* into, std::size_t size) {
  ssize_t count = -1;
  do {
    count = ::read(descriptor_, into, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) refuse("cannot read on in " + name_ + ": " + system_message());
  const auto bytes = static_cast<std::size_t>(count);
  hash_.update(into, bytes);
  bytes_read_ += count;
  return bytes;
}

std::string RawFile::hash() {
  std::string rest(kReadSize, '\0');
  while (read(rest.data(), rest.size()) > 0) {
  }
  return hash_.hex();
}

class DataFile::Gzip {
 public:
  Gzip(RawFile& raw, std::string begin)
      : raw_(raw), input_(std::move(begin)), available_(input_.size()) {
    constexpr int kLargestWindow = 15;
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&stream_, kLargestWindow + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() { ::inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::size_t read(char* into, std::size_t size) {
    std::size_t produced = 0;
    while (produced == 0 && !ended_) {
      if (between_members_ && !begin_member()) break;
      if (available_ == 0 && !refill()) {
        fail(
            "the gzip data ends too early: the file was cut off; copy it again, or expand the part "
            "that is there with gzip -dc");
      }
      produced = inflate(into, size);
    }
    return produced;
  }

 private:
  bool refill() {
    input_.resize(kReadSize);
    available_ = raw_.read(input_.data(), input_.size());
    place_ = 0;
    return available_ > 0;
  }

  std::int64_t consumed() const {
    return raw_.bytes_read() - static_cast<std::int64_t>(available_);
  }

  std::size_t inflate(char* into, std::size_t size) {
    // zlib takes the input as not const, and does not write to it.
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + place_);
    stream_.avail_in = static_cast<uInt>(available_);
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(std::min(size, kReadSize));
    const uInt room = stream_.avail_out;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    place_ += available_ - stream_.avail_in;
    available_ = stream_.avail_in;
    const std::size_t produced = room - stream_.avail_out;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status == Z_STREAM_END) {
      between_members_ = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail(std::string("the gzip data is damaged (") +
           (stream_.msg != nullptr ? stream_.msg : "no gzip header") + ")");
    }
    check_size(produced);
    return produced;
  }

  void check_size(std::size_t produced) {
    produced_ += static_cast<std::int64_t>(produced);
    if (produced_ <= kFreeBytes || produced_ / kLargestRatio <= consumed()) return;
    fail("the gzip data expands to more than " + std::to_string(kLargestRatio) +
         " times its size, which text does not; if it is right, expand it with gzip -d first");
  }

  // False at the end of the file. Zeros behind the last member are padding, as for gzip.
  bool begin_member() {
    while (available_ > 0 || refill()) {
      if (input_[place_] != '\0') break;
      ++place_;
      --available_;
      padded_ = true;
    }
    ended_ = available_ == 0;
    if (ended_) return false;
    if (padded_ || input_[place_] != kGzipMagic[0])
      fail("something that is not gzip follows the gzip data");
    between_members_ = false;
    if (::inflateReset(&stream_) != Z_OK) throw std::bad_alloc();
    return true;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    refuse(raw_.name() + ": at byte " + std::to_string(consumed()) + ": " + problem);
  }

  RawFile& raw_;
  z_stream stream_{};
  std::string input_;
  std::size_t place_ = 0;      // in input_
  std::size_t available_ = 0;  // bytes from there
  std::int64_t produced_ = 0;
  bool between_members_ = false;
  bool padded_ = false;
  bool ended_ = false;
};

DataFile::DataFile(const std::filesystem::path& path) : raw_(path) {
  begin_.resize(sizeof kGzipMagic);
  std::size_t filled = 0;
  while (filled < begin_.size()) {
    const std::size_t count = raw_.read(begin_.data() + filled, begin_.size() - filled);
    if (count == 0) break;
    filled += count;
  }
  begin_.resize(filled);
  if (begin_.compare(0, begin_.size(), kGzipMagic, sizeof kGzipMagic) != 0) return;
  gzip_ = std::make_unique<Gzip>(raw_, begin_);
}

DataFile::~DataFile() = default;

std::size_t DataFile::read(char* into, std::size_t size) {
  if (gzip_) return gzip_->read(into, size);
  if (begin_.empty()) return raw_.read(into, size);
  const std::size_t count = std::min(size, begin_.size());
  std::memcpy(into, begin_.data(), count);
  begin_.erase(0, count);
  return count;
}

}  // namespace salf::data
