// How are files read and written so that nothing is ever half-written or silently lost?
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace salf::core {

// The whole file as bytes. Throws Error(kIo) when it is missing, a folder, unreadable, or larger
// than `limit`.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ULL << 30);

// Writes `bytes` to a temporary name beside `path`, syncs it and renames it. Throws Error(kIo),
// with the old file left as it was.
void write_file_atomically(const std::filesystem::path& path, const std::string& bytes);

// Appends to a stream that is open at `path`, through to the system. Throws Error(kIo) with the
// system's reason.
void write_bytes(
    std::ofstream& out, const void* bytes, std::uint64_t size, const std::filesystem::path& path);

// A temporary name beside `path` for what is written by others (torch archives); commit() syncs it
// and renames it to `path`, or throws Error(kIo); without commit the temporary file is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::filesystem::path& temporary_path() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

// A file mapped read-only; data() is null when it is empty. Throws Error(kIo).
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  // Gives the whole pages within these bytes back to the system; they return from the file when
  // they are read again. REQUIRES: offset + bytes ≤ size()
  void release(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  const std::uint8_t* data_ = nullptr;
  std::uint64_t size_ = 0;
};

// An output folder held by one process: created, and locked by an flock on `.salf.lock` inside it
// for the object's life; the lock file goes with it. Throws Error(kIo) if another process holds it,
// and Error(kUsage) if the folder holds anything and `marker` (a file name, such as run.json) is
// not in it, or if it is and `overwrite` is false; such a folder is left as it was.
class OutputFolder {
 public:
  OutputFolder(std::filesystem::path path, const std::string& marker, bool overwrite);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// The folder of a file; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

// Bytes free for this user on the file system of `path` (or of its nearest existing parent).
std::uint64_t free_disk_bytes(const std::filesystem::path& path);

// Throws Error(kIo) where a file of so many bytes would not fit into `folder` (which exists), by
// disk, quota or limit; leaves nothing there.
void check_room(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace salf::core
