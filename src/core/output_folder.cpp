#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/file_handle.h"
#include "core/files.h"
#include "core/log.h"

namespace salf::core {
namespace {

constexpr const char* kLockName = ".salf.lock";

void make_folder(const std::filesystem::path& path) {
  std::error_code failure;
  if (std::filesystem::exists(path, failure) && !std::filesystem::is_directory(path, failure)) {
    throw Error(
        ErrorKind::kUsage, printable_path(path) + ": expected a folder for the output, got a file");
  }
  std::filesystem::create_directories(path, failure);
  if (failure) {
    throw Error(ErrorKind::kIo,
        "cannot make the folder " + printable_path(path) + ": " + failure.message());
  }
}

bool holds_anything(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(path, failure);
  if (failure)
    throw Error(ErrorKind::kIo, "cannot list " + printable_path(path) + ": " + failure.message());
  for (const auto& entry : entries) {
    if (entry.path().filename() != kLockName) return true;
  }
  return false;
}

void check_contents(const std::filesystem::path& path, const std::string& marker, bool overwrite) {
  if (!holds_anything(path)) return;
  std::error_code ignored;
  if (!std::filesystem::exists(path / marker, ignored)) {
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
bool is_current(const FileHandle& lock, const std::filesystem::path& lock_path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(lock.get(), &held) == 0 && ::stat(lock_path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

int take_lock(const std::filesystem::path& folder) {
  const std::filesystem::path lock_path = folder / kLockName;
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

OutputFolder::OutputFolder(std::filesystem::path path, const std::string& marker, bool overwrite)
    : path_(std::move(path)) {
  make_folder(path_);
  // Checked before locking, so that a foreign folder gets no lock file, and again after, since
  // another run may have ended meanwhile. A folder with a lock file belongs to a run: the lock
  // comes first.
  std::error_code ignored;
  if (!std::filesystem::exists(path_ / kLockName, ignored))
    check_contents(path_, marker, overwrite);
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

}  // namespace salf::core
