#include "core/hash.h"

#include <gtest/gtest.h>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::core {
namespace {

// FIPS 180-2, appendix B.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kMillion = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, KnownDigests) {
  EXPECT_EQ(sha256("abc"), kAbc);
  EXPECT_EQ(sha256(""), kEmpty);
}

TEST(Sha256, PiecesMakeTheSameDigestAsTheWhole) {
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a'));
  EXPECT_EQ(hash.hex(), kMillion);
}

TEST(Sha256, OfFiles) {
  const testing::TemporaryFolder folder;
  write_file_atomically(folder / "a", std::string(1'000'000, 'a'));
  write_file_atomically(folder / "b", std::string(1U << 20U, 'a'));
  EXPECT_EQ(sha256_file(folder / "a"), kMillion);
  EXPECT_EQ(sha256_file(folder / "b"), sha256(std::string(1U << 20U, 'a')));
  testing::expect_error(ErrorKind::kIo, "cannot open", [&] { sha256_file(folder / "missing"); });
}

TEST(StableHash, IsTheBeginningOfSha256) {
  EXPECT_EQ(stable_hash("abc"), 0xba7816bf8f01cfeaULL);
  EXPECT_EQ(stable_hash(""), 0xe3b0c44298fc1c14ULL);
}

}  // namespace
}  // namespace salf::core
