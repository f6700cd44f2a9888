#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::core {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

// 0 if the folder could be taken by another process, else the error's exit code.
int take_in_another_process(const std::filesystem::path& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      const OutputFolder folder(path, "run.json", true);
      ::_exit(0);
    } catch (const Error& error) {
      ::_exit(error.exit_code());
    }
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(OutputFolder, IsMadeAndLockedAgainstOtherProcesses) {
  const TemporaryFolder parent;
  const auto path = parent / "deep/run";
  std::optional<OutputFolder> folder;
  folder.emplace(path, "run.json", false);
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(take_in_another_process(path), static_cast<int>(ErrorKind::kIo));
  folder.reset();
  EXPECT_TRUE(std::filesystem::is_empty(path)) << "the lock file was left behind";
  EXPECT_EQ(take_in_another_process(path), 0);
}

TEST(OutputFolder, IsLockedWithinOneProcessToo) {
  const TemporaryFolder parent;
  const OutputFolder folder(parent / "run", "run.json", false);
  expect_error(ErrorKind::kIo, "another run",
      [&] { OutputFolder second(parent / "run", "run.json", true); });
  // What the run has written so far does not hide that it goes on.
  std::ofstream(parent / "run" / "plan.json") << "{}";
  expect_error(ErrorKind::kIo, "another run",
      [&] { OutputFolder second(parent / "run", "run.json", true); });
  EXPECT_TRUE(std::filesystem::exists(parent / "run/.salf.lock"));
}

TEST(OutputFolder, AnAbandonedLockFileIsNoLock) {
  const TemporaryFolder parent;
  std::ofstream(parent / ".salf.lock") << "";
  const OutputFolder folder(parent.path(), "run.json", false);
  EXPECT_EQ(folder.path(), parent.path());
}

TEST(OutputFolder, LeavesForeignFilesAlone) {
  const TemporaryFolder parent;
  std::ofstream(parent / "thesis.txt") << "mine";
  for (const bool overwrite : {false, true}) {
    expect_error(ErrorKind::kUsage, "no run.json",
        [&] { OutputFolder f(parent.path(), "run.json", overwrite); });
  }
  EXPECT_FALSE(std::filesystem::exists(parent / ".salf.lock"));
}

TEST(OutputFolder, AnEarlierResultNeedsOverwrite) {
  const TemporaryFolder parent;
  std::ofstream(parent / "run.json") << "{}";
  expect_error(
      ErrorKind::kUsage, "--force", [&] { OutputFolder f(parent.path(), "run.json", false); });
  EXPECT_NO_THROW(OutputFolder(parent.path(), "run.json", true));
  EXPECT_EQ(read_file(parent / "run.json"), "{}");
}

TEST(OutputFolder, AFileIsNoFolder) {
  const TemporaryFolder parent;
  std::ofstream(parent / "file") << "x";
  expect_error(
      ErrorKind::kUsage, "got a file", [&] { OutputFolder f(parent / "file", "run.json", true); });
  expect_error(ErrorKind::kIo, "cannot make",
      [&] { OutputFolder f(parent / "file/run", "run.json", true); });
}

}  // namespace
}  // namespace salf::core
