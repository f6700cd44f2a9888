// SHA-256 of files and texts for records, and a stable 64-bit hash for splits and seeds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace salf::core {

// SHA-256 of pieces. hex() returns 64 lower-case digits and ends the object's use.
class Sha256 {
 public:
  Sha256();
  void update(const void* bytes, std::size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  std::string hex();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256(std::string_view bytes);
// Throws Error(kIo).
std::string sha256_file(const std::filesystem::path& path);

// The first 64 bits of SHA-256: the same on every machine and in every version.
std::uint64_t stable_hash(std::string_view bytes);

}  // namespace salf::core
