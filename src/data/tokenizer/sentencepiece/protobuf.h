// How is a protocol buffer message read field by field? (protobuf.dev/programming-guides/encoding)
// A few known fields of a file of unknown origin do not need a library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace salf::data {

class ProtobufReader {
 public:
  // `where` (file and message) starts each error. `begin`: the place of `bytes` in the file.
  ProtobufReader(std::string_view bytes, std::string where, std::size_t begin = 0)
      : bytes_(bytes), where_(std::move(where)), begin_(begin) {}

  // Goes to the next field; false at the end. Throws Error(kBadInput).
  bool next();

  std::uint64_t field() const { return field_; }

  // The value of the field, which must be of this type. Throw Error(kBadInput).
  std::string_view bytes() const;
  std::string text() const;  // valid UTF-8
  std::uint64_t number() const;
  std::int32_t int32() const;  // negative numbers too
  bool boolean() const { return number() != 0; }
  float float32() const;
  // A reader of the message in the field.
  ProtobufReader message(const std::string& name) const;

  // Throws Error(kBadInput) that names the place.
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  enum class Wire { kNumber = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  std::uint64_t take_number();
  std::string_view take(std::uint64_t count);
  void expect(Wire wire, const char* name) const;

  std::string_view bytes_;
  std::string where_;
  std::size_t begin_ = 0;
  std::size_t position_ = 0;
  std::size_t field_begin_ = 0;
  std::uint64_t field_ = 0;
  Wire wire_ = Wire::kNumber;
  std::uint64_t number_ = 0;
  std::string_view value_;
};

}  // namespace salf::data
