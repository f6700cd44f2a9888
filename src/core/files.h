// Reading and writing files. A written file is complete or absent, and no failure is silent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace salf::core {

// Returns the whole file. Throws Error(kIo) for a file that is missing, a folder, unreadable, or
// larger than `limit`.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ULL << 30);

// Writes a temporary file beside `path`, syncs it and renames it. Throws Error(kIo); the old file
// then stays.
void write_file_atomically(const std::filesystem::path& path, const std::string& bytes);

// Appends to the stream open at `path` and flushes it. Throws Error(kIo) with the system's reason.
void write_bytes(
    std::ofstream& out, const void* bytes, std::uint64_t size, const std::filesystem::path& path);

// A temporary name beside `path` for files that others write (torch archives). commit() syncs the
// file and renames it to `path`, or throws Error(kIo). The destructor removes an uncommitted file.
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

// What a process may do with the bytes of a file that it maps. What it writes stays in its memory;
// the file never changes.
enum class MapAccess { kRead, kReadAndWrite };

// A mapped file. data() is null for an empty file. Throws Error(kIo).
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path, MapAccess access = MapAccess::kRead);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  // Returns the whole pages within these bytes to the system; a later access reads the file again,
  // without what was written.
  // REQUIRES: offset + bytes ≤ size()
  void release(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  const std::uint8_t* data_ = nullptr;
  std::uint64_t size_ = 0;
};

// An output folder, created if missing and locked for the object's life by an flock on `.salf.lock`
// inside it; the lock file is removed at the end. Throws Error(kIo) if another process holds the
// lock. Throws Error(kUsage) and changes nothing if the folder has files but not `marker` (such as
// run.json), or has `marker` and `overwrite` is false.
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

// Checks before the work that a result may be written to `file`, and makes its folder. An existing
// file is replaced only with `force`, and only if `is_ours` says that it is a `what`. `example`: a
// file name for messages. Throws Error(kUsage), or Error(kIo) where nothing can be written.
void check_output_file(const std::filesystem::path& file, const std::string& what,
    const std::string& example, bool force, const std::function<bool()>& is_ours);

bool begins_with(const std::filesystem::path& file, const std::string& beginning);

// The folder of a file; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

// Bytes free for this user on the file system of `path` or its nearest existing parent.
std::uint64_t free_disk_bytes(const std::filesystem::path& path);

// Throws Error(kIo) if a file of so many bytes does not fit into `folder` (disk, quota or limit).
// Leaves no file. REQUIRES: the folder exists
void check_room(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace salf::core
