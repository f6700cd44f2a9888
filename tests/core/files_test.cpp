#include "core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::core {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

std::size_t entries(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    count += entry.exists() ? 1U : 0U;
  return count;
}

TEST(Files, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  std::string bytes(100'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 256);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, bytes.size()}) {
    write_file_atomically(folder / "a", bytes.substr(0, size));
    EXPECT_EQ(read_file(folder / "a"), bytes.substr(0, size));
  }
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(Files, LimitIsExact) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "12345");
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
  expect_error(ErrorKind::kIo, "larger than 4 B", [&] { read_file(folder / "a", 4); });
}

TEST(Files, LimitHoldsForFilesThatHideTheirSize) {
  EXPECT_GT(read_file("/proc/self/status").size(), 0U);
  expect_error(ErrorKind::kIo, "larger than", [] { read_file("/dev/zero", 100'000); });
}

TEST(Files, MissingFilesAndFoldersAreErrors) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::kIo, "No such file", [&] { read_file(folder / "missing"); });
  expect_error(ErrorKind::kIo, "got a folder", [&] { read_file(folder.path()); });
  expect_error(ErrorKind::kIo, "got a folder", [&] { MappedFile mapped(folder.path()); });
  expect_error(
      ErrorKind::kIo, "No such file", [&] { write_file_atomically(folder / "no/such", "x"); });
}

TEST(Files, NamesInMessagesAreMadePrintable) {
  expect_error(ErrorKind::kIo, "\\x1B[2J", [] { read_file("/nowhere/\x1B[2J"); });
}

// A file size limit makes the write fail half-way, as a full disk does.
int write_beyond_limit(const std::filesystem::path& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1000, 1000};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  try {
    write_file_atomically(path, std::string(5000, 'n'));
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kIo && std::strstr(error.what(), "too large") != nullptr ? 0
                                                                                               : 3;
  }
  return 4;
}

TEST(Files, OldFileSurvivesAFailedWrite) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write_beyond_limit(folder / "a"));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), 1U) << "the half-written file was left behind";
}

TEST(AtomicFile, NothingIsSeenBeforeCommit) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    std::ofstream(file.temporary_path()) << "new";
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    EXPECT_EQ(file.temporary_path().parent_path(), folder.path());
    file.commit();
    EXPECT_EQ(read_file(folder / "a"), "new");
  }
  EXPECT_EQ(read_file(folder / "a"), "new");
}

TEST(AtomicFile, WithoutCommitNothingIsLeft) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    std::ofstream(file.temporary_path()) << "new";
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, CommitWithoutAFileIsAnError) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  expect_error(ErrorKind::kIo, "cannot write", [&] { file.commit(); });
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", std::string("a\0b", 3));
  write_file_atomically(folder / "empty", "");
  const MappedFile mapped(folder / "a");
  ASSERT_EQ(mapped.size(), 3U);
  EXPECT_EQ(mapped.data()[2], 'b');
  const MappedFile empty(folder / "empty");
  EXPECT_EQ(empty.size(), 0U);
  EXPECT_EQ(empty.data(), nullptr);
}

TEST(Files, RoomForWhatNoDiskHoldsIsRefused) {
  const TemporaryFolder folder;
  check_room(folder.path(), 100'000);
  EXPECT_THROW(check_room(folder.path(), 1ULL << 62), Error);
  EXPECT_THROW(check_room(folder / "not/there", 10), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Files, FreeSpaceOfAPathThatDoesNotExistYet) {
  const TemporaryFolder folder;
  const auto here = static_cast<double>(free_disk_bytes(folder.path()));
  const auto below = static_cast<double>(free_disk_bytes(folder / "not/yet/there"));
  EXPECT_GT(here, 0.0);
  EXPECT_NEAR(below, here, 0.05 * here + 1e8);  // others write to the disk meanwhile
}

}  // namespace
}  // namespace salf::core
