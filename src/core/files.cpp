#include "core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/file_handle.h"
#include "core/file_kind.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::core {

namespace fs = std::filesystem;

namespace {

// "WHAT PATH: " and the reason.
[[noreturn]] void throw_reason(
    const std::string& what, const fs::path& path, const std::error_code& reason) {
  throw Error(ErrorKind::kIo, what + " " + printable_path(path) + ": " + reason.message());
}

}  // namespace

void throw_system_error(const std::string& what, const fs::path& path) {
  throw_reason(what, path, std::error_code(errno, std::generic_category()));
}

FileHandle::~FileHandle() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int FileHandle::release() { return std::exchange(descriptor_, -1); }

std::size_t FileHandle::read_some(char* bytes, std::size_t size, const fs::path& path) const {
  ssize_t count = -1;
  do {
    count = ::read(descriptor_, bytes, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw_system_error("cannot read", path);
  return static_cast<std::size_t>(count);
}

namespace {

struct stat file_status(const FileHandle& file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_system_error("cannot read", path);
  return status;
}

[[noreturn]] void throw_too_large(const fs::path& path, std::uint64_t limit) {
  throw Error(ErrorKind::kIo, printable_path(path) + ": the file is larger than " +
                                  format_bytes(limit) + ", the most that is read at once");
}

void write_all(const FileHandle& file, const std::string& bytes, const fs::path& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system_error("cannot write", path);
    done += static_cast<std::size_t>(count);
  }
}

// A rename is only safe on disk once the folder is.
void sync_folder_of(const fs::path& path) {
  const fs::path folder = folder_of(path);
  const FileHandle handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.open()) throw_system_error("cannot open the folder", folder);
  // EINVAL: the file system cannot sync folders. The rename is done.
  if (::fsync(handle.get()) != 0 && errno != EINVAL) throw_system_error("cannot sync", folder);
}

fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  fs::path name = path;
  name += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return name;
}

constexpr const char* kLockName = ".salf.lock";

void make_folder(const fs::path& path) {
  std::error_code failure;
  if (fs::exists(path, failure) && !fs::is_directory(path, failure)) {
    throw Error(
        ErrorKind::kUsage, printable_path(path) + ": expected a folder for the output, got a file");
  }
  fs::create_directories(path, failure);
  if (failure) throw_reason("cannot make the folder", path, failure);
}

bool holds_anything(const fs::path& path) {
  std::error_code failure;
  fs::directory_iterator entries(path, failure);
  if (failure) throw_reason("cannot list", path, failure);
  for (const auto& entry : entries) {
    if (entry.path().filename() != kLockName) return true;
  }
  return false;
}

void check_contents(const fs::path& path, const std::string& marker, bool overwrite) {
  if (!holds_anything(path)) return;
  std::error_code ignored;
  if (!fs::exists(path / marker, ignored)) {
    throw Error(ErrorKind::kUsage, printable_path(path) +
                                       ": the folder holds other files (there is no " + marker +
                                       " in it); give an empty or new folder");
  }
  if (!overwrite) {
    throw Error(ErrorKind::kUsage, printable_path(path) + ": the folder already holds a result (" +
                                       marker + "); give another folder, or --force to replace it");
  }
}

// Whether the locked file is still the file of that name: its last owner may have removed it.
bool is_current(const FileHandle& lock, const fs::path& lock_path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(lock.get(), &held) == 0 && ::stat(lock_path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

int take_lock(const fs::path& folder) {
  const fs::path lock_path = folder / kLockName;
  while (true) {
    FileHandle lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!lock.open()) throw_system_error("cannot lock", lock_path);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) throw_system_error("cannot lock", lock_path);
      throw Error(ErrorKind::kIo, printable_path(folder) +
                                      ": another run is writing to this folder; wait for it "
                                      "to end or give another folder");
    }
    if (is_current(lock, lock_path)) return lock.release();
  }
}

}  // namespace

FileHandle open_for_reading(const fs::path& path) {
  FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) throw_system_error("cannot open", path);
  if (S_ISDIR(file_status(file, path).st_mode)) {
    throw Error(ErrorKind::kIo, printable_path(path) + ": expected a file, got a folder");
  }
  return file;
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const FileHandle file = open_for_reading(path);
  const auto expected =
      static_cast<std::uint64_t>(std::max<off_t>(0, file_status(file, path).st_size));
  if (expected > limit) throw_too_large(path, limit);
  std::string bytes(expected, '\0');
  std::size_t done = 0;
  // The size is a hint: files of /proc and pipes have none, others may grow.
  while (true) {
    if (done == bytes.size()) bytes.resize(done + 4096);
    const std::size_t count = file.read_some(bytes.data() + done, bytes.size() - done, path);
    if (count == 0) break;
    done += count;
    if (done > limit) throw_too_large(path, limit);
  }
  bytes.resize(done);
  if (is_lfs_pointer(bytes)) throw_lfs_pointer(printable_path(path));
  return bytes;
}

void write_bytes(std::ofstream& out, const void* bytes, std::uint64_t size, const fs::path& path) {
  errno = 0;
  out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  out.flush();
  if (out) return;
  if (errno == 0) errno = EIO;
  throw_system_error("cannot write", path);
}

void write_file_atomically(const fs::path& path, const std::string& bytes) {
  AtomicFile atomic(path);
  {
    const FileHandle file(
        ::open(atomic.temporary_path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file.open()) throw_system_error("cannot write", path);
    write_all(file, bytes, path);
  }
  atomic.commit();
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), temporary_(temporary_name(path_)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::commit() {
  const FileHandle file(::open(temporary_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) throw_system_error("cannot write", path_);
  if (::fsync(file.get()) != 0) throw_system_error("cannot write", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_system_error("cannot replace", path_);
  committed_ = true;
  sync_folder_of(path_);
}

MappedFile::MappedFile(const fs::path& path, MapAccess access) {
  const FileHandle file = open_for_reading(path);
  const struct stat status = file_status(file, path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kIo, printable_path(path) + ": expected a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  if (size_ == 0) return;
  const int allowed = access == MapAccess::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* const address = ::mmap(nullptr, size_, allowed, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) throw_system_error("cannot map", path);
  data_ = static_cast<const std::uint8_t*>(address);
  if (is_lfs_pointer({reinterpret_cast<const char*>(data_), std::min<std::size_t>(size_, 64)})) {
    ::munmap(address, size_);
    throw_lfs_pointer(printable_path(path));
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void MappedFile::release(std::uint64_t offset, std::uint64_t bytes) const {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = (offset + page - 1) / page * page;
  const std::uint64_t end = (offset + bytes) / page * page;
  // A failure only keeps the pages.
  if (begin < end) ::madvise(const_cast<std::uint8_t*>(data_) + begin, end - begin, MADV_DONTNEED);
}

OutputFolder::OutputFolder(fs::path path, const std::string& marker, bool overwrite)
    : path_(std::move(path)) {
  make_folder(path_);
  // Checked before locking, so that a foreign folder gets no lock file, and again after, since
  // another run may have ended meanwhile. A folder with a lock file belongs to a run: the lock
  // comes first.
  std::error_code ignored;
  if (!fs::exists(path_ / kLockName, ignored)) check_contents(path_, marker, overwrite);
  lock_ = take_lock(path_);
  try {
    check_contents(path_, marker, overwrite);
  } catch (...) {
    ::unlink((path_ / kLockName).c_str());
    ::close(lock_);
    throw;
  }
}

OutputFolder::~OutputFolder() {
  ::unlink((path_ / kLockName).c_str());
  ::close(lock_);
}

std::uint64_t free_disk_bytes(const fs::path& path) {
  std::error_code ignored;
  fs::path existing = fs::absolute(path);
  while (existing.has_relative_path() && !fs::exists(existing, ignored)) {
    existing = existing.parent_path();
  }
  std::error_code failure;
  const fs::space_info space = fs::space(existing, failure);
  if (failure) throw_reason("cannot find the free space of", existing, failure);
  return space.available;
}

void check_output_file(const fs::path& file, const std::string& what, const std::string& example,
    bool force, const std::function<bool()>& is_ours) {
  const std::string name = printable_path(file);
  const auto refuse = [&name](ErrorKind kind, const std::string& problem) {
    throw Error(kind, name + ": " + problem);
  };
  std::error_code error;
  if (fs::is_directory(file, error)) {
    refuse(ErrorKind::kUsage,
        "is a folder; --output names the file to write, such as " + name + "/" + example);
  }
  if (fs::exists(file, error)) {
    if (!is_ours()) {
      refuse(ErrorKind::kUsage,
          "holds something else than a " + what + " and is not replaced; give another --output");
    }
    if (!force) {
      refuse(ErrorKind::kUsage, "exists already; --force replaces it, --output names another file");
    }
  }
  error.clear();
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), error);
  if (error) refuse(ErrorKind::kIo, "its folder cannot be made: " + error.message());
  const AtomicFile trial(file);  // fails here, not after the work
  if (!std::ofstream(trial.temporary_path()))
    refuse(ErrorKind::kIo, "its folder cannot be written to; name a file elsewhere");
}

bool begins_with(const fs::path& file, const std::string& beginning) {
  std::ifstream in(file, std::ios::binary);
  std::string found(beginning.size(), '\0');
  in.read(found.data(), static_cast<std::streamsize>(found.size()));
  return in.good() && found == beginning;
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

void check_room(const fs::path& folder, std::uint64_t bytes) {
  const AtomicFile file(folder / ".salf-room");  // never committed
  const FileHandle handle(
      ::open(file.temporary_path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  if (!handle.open()) throw_system_error("cannot write into", folder);
  if (bytes == 0 || ::fallocate(handle.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno == EOPNOTSUPP) {  // the file system cannot reserve room
    if (free_disk_bytes(folder) >= bytes) return;
    errno = ENOSPC;
  }
  throw_system_error("no room for " + format_bytes(bytes) + " in", folder);
}

}  // namespace salf::core
