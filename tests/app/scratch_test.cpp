#include "app/session/scratch.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::app {
namespace {

using testing::expect_error;

class Scratch : public ::testing::Test {
 protected:
  Scratch() {
    const char* const given = ::getenv("TMPDIR");
    if (given != nullptr) before_ = given;
  }
  ~Scratch() override {
    before_.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before_.c_str(), 1);
  }

  testing::TemporaryFolder folder_;

 private:
  std::string before_;
};

TEST_F(Scratch, IsTheFolderThatWasNamed) {
  ::setenv("TMPDIR", "/", 1);
  EXPECT_EQ(scratch_folder(folder_.path().string(), "run"), folder_.path());
}

TEST_F(Scratch, ANamedFolderHasToBeThere) {
  expect_error(
      ErrorKind::kIo, "--scratch", [&] { scratch_folder((folder_ / "none").string(), "run"); });
}

TEST_F(Scratch, IsTmpdirElseTheFolderOfTheResult) {
  const std::filesystem::path disk = std::filesystem::current_path();  // /tmp may be memory
  ::setenv("TMPDIR", disk.c_str(), 1);
  EXPECT_EQ(scratch_folder("", "run"), disk);
  ::setenv("TMPDIR", (folder_ / "none").c_str(), 1);
  EXPECT_EQ(scratch_folder("", "run"), "run");
  ::unsetenv("TMPDIR");
  EXPECT_EQ(scratch_folder("", "run"), "run");
}

// Files there would be the memory that they are to spare.
TEST_F(Scratch, IsNotTmpdirInMemory) {
  ::setenv("TMPDIR", "/dev/shm", 1);
  EXPECT_EQ(scratch_folder("", "run"), "run");
}

}  // namespace
}  // namespace salf::app
