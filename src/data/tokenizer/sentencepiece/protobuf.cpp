#include "data/tokenizer/sentencepiece/protobuf.h"

#include <cstring>

#include "core/error.h"
#include "core/text.h"

namespace salf::data {

bool ProtobufReader::next() {
  if (position_ >= bytes_.size()) return false;
  field_begin_ = position_;
  const std::uint64_t tag = take_number();
  field_ = tag >> 3U;
  if (field_ == 0) fail("a field has the number 0");
  switch (tag & 7U) {
    case 0:
      wire_ = Wire::kNumber;
      number_ = take_number();
      return true;
    case 1:
      wire_ = Wire::kFixed64;
      value_ = take(8);
      return true;
    case 2:
      wire_ = Wire::kBytes;
      value_ = take(take_number());
      return true;
    case 5:
      wire_ = Wire::kFixed32;
      value_ = take(4);
      return true;
    default:
      fail("a field has the wire type " + std::to_string(tag & 7U) + ", expected 0, 1, 2 or 5");
  }
}

std::uint64_t ProtobufReader::take_number() {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (position_ >= bytes_.size()) fail("the file ends within a number");
    const auto byte = static_cast<unsigned char>(bytes_[position_++]);
    number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return number;
  }
  fail("a number has more than 10 bytes");
}

std::string_view ProtobufReader::take(std::uint64_t count) {
  if (count > bytes_.size() - position_) {
    fail("a field has " + std::to_string(count) + " bytes, but only " +
         std::to_string(bytes_.size() - position_) + " are left");
  }
  const std::string_view value = bytes_.substr(position_, count);
  position_ += count;
  return value;
}

void ProtobufReader::expect(Wire wire, const char* name) const {
  if (wire_ == wire) return;
  fail("field " + std::to_string(field_) + " has the wire type " +
       std::to_string(static_cast<int>(wire_)) + ", expected " + name);
}

std::string_view ProtobufReader::bytes() const {
  expect(Wire::kBytes, "bytes");
  return value_;
}

std::string ProtobufReader::text() const {
  if (core::invalid_utf8(bytes())) fail("field " + std::to_string(field_) + " is not valid UTF-8");
  return std::string(value_);
}

std::uint64_t ProtobufReader::number() const {
  expect(Wire::kNumber, "a number");
  return number_;
}

std::int32_t ProtobufReader::int32() const { return static_cast<std::int32_t>(number()); }

float ProtobufReader::float32() const {
  expect(Wire::kFixed32, "a float");
  std::uint32_t bits = 0;
  for (std::size_t i = 4; i-- > 0;) bits = bits << 8U | static_cast<unsigned char>(value_[i]);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

ProtobufReader ProtobufReader::message(const std::string& name) const {
  const std::string_view inner = bytes();
  return ProtobufReader(
      inner, where_ + name, begin_ + static_cast<std::size_t>(inner.data() - bytes_.data()));
}

void ProtobufReader::fail(const std::string& problem) const {
  throw Error(ErrorKind::kBadInput,
      where_ + ": " + problem + " (at byte " + std::to_string(begin_ + field_begin_) + ')');
}

}  // namespace salf::data
