#include "core/hash.h"

#include <openssl/evp.h>

#include <array>

#include "core/error.h"
#include "core/file_handle.h"

namespace salf::core {
namespace {

using Digest = std::array<unsigned char, 32>;

void require(int openssl_result) {
  if (openssl_result != 1)
    throw Error(ErrorKind::kInternal, "SHA-256 failed in OpenSSL's libcrypto");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(const void* bytes, std::size_t size) {
  require(EVP_DigestUpdate(context_.get(), bytes, size));
}

std::string Sha256::hex() {
  constexpr char kHexDigits[] = "0123456789abcdef";
  Digest digest{};
  require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  std::string text;
  for (const unsigned char byte : digest) text += {kHexDigits[byte >> 4U], kHexDigits[byte & 15U]};
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256_file(const std::filesystem::path& path) {
  const FileHandle file = open_for_reading(path);
  Sha256 hash;
  std::string buffer(1U << 20U, '\0');
  while (const std::size_t count = file.read_some(buffer.data(), buffer.size(), path)) {
    hash.update(buffer.data(), count);
  }
  return hash.hex();
}

std::uint64_t stable_hash(std::string_view bytes) {
  Digest digest{};
  require(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8U) | digest[i];
  return value;
}

}  // namespace salf::core
