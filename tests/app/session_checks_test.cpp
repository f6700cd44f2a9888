#include "app/session/session_checks.h"

#include <gtest/gtest.h>

#include <fstream>

#include "app/session/session.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::app {
namespace {

using testing::expect_error;

// A file of so many bytes that takes no room on the disk.
std::filesystem::path archive_of(const testing::TemporaryFolder& folder, std::uint64_t bytes) {
  std::ofstream(folder / "model.pt").put('x');
  std::filesystem::resize_file(folder / "model.pt", bytes);
  return folder / "model.pt";
}

TEST(MemoryCheck, RefusesWhatTheMachineCannotHoldWithTheFigureThatWould) {
  const testing::TemporaryFolder folder;
  const auto archive = archive_of(folder, 2'000'000'000);
  core::UsableMemory usable{3'000'000'000, 3'000'000'000, 2'500'000'000, false};
  EXPECT_NO_THROW(check_memory(archive, usable));
  usable = {1'000'000'000, 1'500'000'000, 1'000'000'000, true};
  expect_error(ErrorKind::kIo,
      "model.pt: loading it needs 2.1 GB of memory, and the control group of this process allows "
      "1.5 GB; analyze and train need less with --frozen-dtype",
      [&] { check_memory(archive, usable); });
  usable.of_group = false;
  expect_error(ErrorKind::kIo, "this machine has 1.5 GB", [&] { check_memory(archive, usable); });
  usable.with_swap = 9'000'000'000;
  EXPECT_NO_THROW(check_memory(archive, usable)) << "swap space can hold it";
  EXPECT_NO_THROW(check_memory(archive, {})) << "not known";
  EXPECT_NO_THROW(check_memory(folder / "missing.pt", usable)) << "whoever reads it says so";
}

TEST(MemoryCheck, WarnsWhereLessIsFreeNow) {
  const testing::TemporaryFolder folder;
  const auto archive = archive_of(folder, 2'000'000'000);
  ::testing::internal::CaptureStderr();
  check_memory(archive, {8'000'000'000, 8'000'000'000, 500'000'000, false});
  EXPECT_NE(
      ::testing::internal::GetCapturedStderr().find("500.0 MB are free now"), std::string::npos);
}

TEST(MemoryCheck, ComesBeforeTheModelIsRead) {
  const testing::TemporaryFolder folder;
  ModelOptions options;
  options.model = archive_of(folder, std::uint64_t{1} << 43).string();
  expect_error(ErrorKind::kIo, "of memory", [&] { open_model(options, false); });
}

}  // namespace
}  // namespace salf::app
