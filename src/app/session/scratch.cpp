#include "app/session/scratch.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdlib>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

namespace salf::app {
namespace {

// Files of such a file system are memory, which scratch files are to spare.
bool is_memory(const std::filesystem::path& folder) {
  struct statfs facts = {};
  return ::statfs(folder.c_str(), &facts) == 0 &&
         (facts.f_type == TMPFS_MAGIC || facts.f_type == RAMFS_MAGIC);
}

}  // namespace

std::filesystem::path scratch_folder(
    const std::string& given, const std::filesystem::path& fallback) {
  if (!given.empty()) {
    if (!std::filesystem::is_directory(given))
      throw Error(
          ErrorKind::kIo, "--scratch: " + core::printable(given) +
                              ": expected a folder that is there; make it, or name another");
    core::check_room(given, 0);
    return given;
  }
  const char* const temporary = std::getenv("TMPDIR");
  if (temporary == nullptr || !std::filesystem::is_directory(temporary) || is_memory(temporary))
    return fallback;
  try {
    core::check_room(temporary, 0);
    return temporary;
  } catch (const Error& error) {
    core::log_warning(
        std::string(error.what()) + "; scratch files go to " + core::printable_path(fallback));
    return fallback;
  }
}

}  // namespace salf::app
