#include "data/rows/data_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::data {
namespace {

constexpr std::size_t kChunkSize = std::size_t{1} << 16U;
constexpr std::int64_t kFreeBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLargestRatio = 200;
constexpr std::size_t kLongestLine = std::size_t{256} << 20U;
constexpr std::size_t kLargestWhole = std::size_t{1} << 30U;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr char kGzipMagic[] = {'\x1F', '\x8B'};

[[noreturn]] void refuse_file(const std::string& message) { throw Error(ErrorKind::kIo, message); }

[[noreturn]] void refuse_system(const std::string& what) {
  refuse_file(what + ": " + std::generic_category().message(errno));
}

}  // namespace

class DataFile::Gzip {
 public:
  Gzip(DataFile& file, std::string begin)
      : file_(file), input_(std::move(begin)), available_(input_.size()) {
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
    input_.resize(kChunkSize);
    available_ = file_.read_raw(input_.data(), input_.size());
    place_ = 0;
    return available_ > 0;
  }

  std::int64_t consumed() const {
    return file_.bytes_read_ - static_cast<std::int64_t>(available_);
  }

  std::size_t inflate(char* into, std::size_t size) {
    // zlib takes the input as not const, and does not write to it.
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + place_);
    stream_.avail_in = static_cast<uInt>(available_);
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(std::min(size, kChunkSize));
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
    refuse_file(file_.name_ + ": at byte " + std::to_string(consumed()) + ": " + problem);
  }

  DataFile& file_;
  z_stream stream_{};
  std::string input_;
  std::size_t place_ = 0;      // in input_
  std::size_t available_ = 0;  // bytes from there
  std::int64_t produced_ = 0;
  bool between_members_ = false;
  bool padded_ = false;
  bool ended_ = false;
};

void DataFile::open(const std::filesystem::path& path) {
  if (path == "-") {
    name_ = "standard input";
    if (::isatty(STDIN_FILENO) == 1) {
      refuse_file(
          "--data - reads the rows from standard input, which is a terminal: pipe them in, or name "
          "a file");
    }
    descriptor_ = STDIN_FILENO;
    return;
  }
  name_ = core::printable_path(path);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) refuse_system("cannot read the data file " + name_);
  if (!S_ISREG(status.st_mode)) {
    refuse_file(name_ + ": expected a data file, got " +
                (S_ISDIR(status.st_mode) ? "a folder" : "no regular file"));
  }
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) refuse_system("cannot read the data file " + name_);
  size_ = status.st_size;
}

DataFile::DataFile(const std::filesystem::path& path) : DataFile() {
  open(path);
  constexpr std::size_t kFirstBytes = 512;
  begin_.resize(kFirstBytes);
  std::size_t filled = 0, count = 0;
  do {
    count = read_raw(begin_.data() + filled, begin_.size() - filled);
    filled += count;
  } while (count > 0 && filled < begin_.size());
  begin_.resize(filled);
  first_bytes_ = begin_;
  if (begin_.compare(0, sizeof kGzipMagic, kGzipMagic, sizeof kGzipMagic) != 0) return;
  gzip_ = std::make_unique<Gzip>(*this, begin_);
}

DataFile::~DataFile() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

std::size_t DataFile::read_raw(char* into, std::size_t size) {
  ssize_t count = -1;
  do {
    count = ::read(descriptor_, into, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) refuse_system("cannot read on in " + name_);
  const auto bytes = static_cast<std::size_t>(count);
  hash_.update(into, bytes);
  bytes_read_ += count;
  return bytes;
}

std::size_t DataFile::read(char* into, std::size_t size) {
  if (gzip_) return gzip_->read(into, size);
  if (begin_.empty()) return read_raw(into, size);
  const std::size_t count = begin_.copy(into, size);
  begin_.erase(0, count);
  return count;
}

std::string DataFile::hash() {
  std::string rest(kChunkSize, '\0');
  while (read_raw(rest.data(), rest.size()) > 0) {
  }
  return hash_.hex();
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(kBlank) == std::string_view::npos;
}

std::optional<std::string> byte_problem(std::string_view line) {
  const std::size_t nul = line.find('\0');
  if (nul != std::string_view::npos) {
    return "byte " + std::to_string(nul + 1) + " of the line is NUL: expected text";
  }
  const auto invalid = core::invalid_utf8(line);
  if (!invalid) return std::nullopt;
  return "byte " + std::to_string(*invalid + 1) +
         " of the line is not valid UTF-8: expected UTF-8 text; "
         "convert the file (iconv -f LATIN1 -t UTF-8)";
}

bool LineReader::next(std::string& line) {
  if (!peeked_) return read_line(line);
  line = std::move(*peeked_);
  peeked_.reset();
  return true;
}

const std::string* LineReader::peek() {
  while (!peeked_) {
    std::string line;
    if (!read_line(line)) return nullptr;
    if (!is_blank(line)) peeked_ = std::move(line);
  }
  return &*peeked_;
}

std::string LineReader::rest() {
  std::string text;
  if (peek() == nullptr) return text;
  text.assign(static_cast<std::size_t>(number_ - 1), '\n');
  text += *peeked_;
  if (ended_) text += '\n';
  peeked_.reset();
  do {
    text.append(buffer_, begin_, std::string::npos);
    begin_ = buffer_.size();
    if (text.size() > kLargestWhole) {
      refuse_file(file_.name() + ": more than " + core::format_bytes(kLargestWhole) +
                  " in one JSON value; make it JSON lines, a row a line");
    }
  } while (refill());
  return text;
}

bool LineReader::read_line(std::string& line) {
  line.clear();
  ended_ = false;
  bool any = false;
  while (!ended_) {
    if (begin_ == buffer_.size() && !refill()) break;
    any = true;
    const std::size_t end = std::min(buffer_.find('\n', begin_), buffer_.size());
    line.append(buffer_, begin_, end - begin_);
    ended_ = end < buffer_.size();
    begin_ = end + (ended_ ? 1 : 0);
    if (line.size() > kLongestLine) {
      refuse_file(file_.name() + ":" + std::to_string(number_ + 1) + ": the line is longer than " +
                  core::format_bytes(kLongestLine) + "; expected JSON lines or text");
    }
  }
  if (!any) return false;
  if (++number_ == 1 && line.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
    line.erase(0, kByteOrderMark.size());
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

bool LineReader::refill() {
  buffer_.resize(kChunkSize);
  buffer_.resize(file_.read(buffer_.data(), buffer_.size()));
  begin_ = 0;
  return !buffer_.empty();
}

}  // namespace salf::data
