#include <cmath>
#include <cstring>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"

namespace salf::data {
namespace {

// Reads a protocol buffer message field by field (protobuf.dev/programming-guides/encoding). The
// getters, like all of it, throw Error(kBadInput) for a field of another type.
class ProtobufReader {
 public:
  // `where` (file and message) starts each error. `begin`: the place of `bytes` in the file.
  ProtobufReader(std::string_view bytes, std::string where, std::size_t begin = 0)
      : bytes_(bytes), where_(std::move(where)), begin_(begin) {}

  // Goes to the next field; false at the end.
  bool next() {
    if (position_ >= bytes_.size()) return false;
    field_begin_ = position_;
    const std::uint64_t tag = take_number();
    field_ = tag >> 3U;
    if (field_ == 0) fail("a field has the number 0");
    wire_ = static_cast<unsigned>(tag & 7U);
    switch (wire_) {
      case kNumber: number_ = take_number(); break;
      case kFixed64: value_ = take(8); break;
      case kBytes: value_ = take(take_number()); break;
      case kFixed32: value_ = take(4); break;
      default:
        fail("a field has the wire type " + std::to_string(wire_) + ", expected 0, 1, 2 or 5");
    }
    return true;
  }

  std::uint64_t field() const { return field_; }

  std::string_view bytes() const {
    expect(kBytes, "bytes");
    return value_;
  }

  std::string text() const {
    if (core::invalid_utf8(bytes()))
      fail("field " + std::to_string(field_) + " is not valid UTF-8");
    return std::string(value_);
  }

  std::uint64_t number() const {
    expect(kNumber, "a number");
    return number_;
  }

  std::int32_t int32() const { return static_cast<std::int32_t>(number()); }
  bool boolean() const { return number() != 0; }

  float float32() const {
    expect(kFixed32, "a float");
    std::uint32_t bits = 0;
    for (std::size_t i = 4; i-- > 0;) bits = bits << 8U | static_cast<unsigned char>(value_[i]);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  ProtobufReader message(const std::string& name) const {
    const std::string_view inner = bytes();
    return ProtobufReader(
        inner, where_ + name, begin_ + static_cast<std::size_t>(inner.data() - bytes_.data()));
  }

  [[noreturn]] void fail(const std::string& problem) const {
    refuse(where_, problem + " (at byte " + std::to_string(begin_ + field_begin_) + ')');
  }

 private:
  enum Wire : unsigned { kNumber = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  std::uint64_t take_number() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (position_ >= bytes_.size()) fail("the file ends within a number");
      const auto byte = static_cast<unsigned char>(bytes_[position_++]);
      number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return number;
    }
    fail("a number has more than 10 bytes");
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - position_) {
      fail("a field has " + std::to_string(count) + " bytes, but only " +
           std::to_string(bytes_.size() - position_) + " are left");
    }
    const std::string_view value = bytes_.substr(position_, count);
    position_ += count;
    return value;
  }

  void expect(Wire wire, const char* name) const {
    if (wire_ == wire) return;
    fail("field " + std::to_string(field_) + " has the wire type " + std::to_string(wire_) +
         ", expected " + name);
  }

  std::string_view bytes_;
  std::string where_;
  std::size_t begin_ = 0;
  std::size_t position_ = 0;
  std::size_t field_begin_ = 0;
  std::uint64_t field_ = 0;
  unsigned wire_ = kNumber;
  std::uint64_t number_ = 0;
  std::string_view value_;
};

PieceType read_type(const ProtobufReader& reader) {
  const std::uint64_t number = reader.number();
  if (number < 1 || number > 6) {
    reader.fail("a piece has the type " + std::to_string(number) + ", expected 1 to 6");
  }
  return static_cast<PieceType>(number);
}

Piece read_piece(ProtobufReader reader) {
  Piece piece;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: piece.text = reader.text(); break;
      case 2:
        piece.score = reader.float32();
        if (!std::isfinite(piece.score)) reader.fail("a score is not finite");
        break;
      case 3: piece.type = read_type(reader); break;
      default: break;
    }
  }
  if (piece.text.empty()) reader.fail("a piece is empty");
  return piece;
}

SentencePieceModel::Kind read_kind(const ProtobufReader& reader) {
  switch (reader.number()) {
    case 1: return SentencePieceModel::Kind::kUnigram;
    case 2: return SentencePieceModel::Kind::kBpe;
    default:
      reader.fail("model_type " + std::to_string(reader.number()) +
                  " is not supported; known: 1 (unigram), 2 (BPE)");
  }
}

void read_trainer(ProtobufReader reader, SentencePieceModel& model) {
  while (reader.next()) {
    switch (reader.field()) {
      case 3: model.kind = read_kind(reader); break;
      case 24: model.normalizer.whitespace_as_suffix = reader.boolean(); break;
      case 35: model.byte_fallback = reader.boolean(); break;
      case 41: model.bos = reader.int32(); break;
      case 42: model.eos = reader.int32(); break;
      case 43: model.padding = reader.int32(); break;
      default: break;
    }
  }
}

void read_normalizer(ProtobufReader reader, SentencePieceNormalizer& normalizer) {
  while (reader.next()) {
    switch (reader.field()) {
      case 2: normalizer.charsmap = std::string(reader.bytes()); break;
      case 3: normalizer.add_dummy_prefix = reader.boolean(); break;
      case 4: normalizer.remove_extra_whitespaces = reader.boolean(); break;
      case 5: normalizer.escape_whitespaces = reader.boolean(); break;
      default: break;
    }
  }
}

void check_pieces(const std::string& file, SentencePieceModel& model) {
  if (model.pieces.empty()) refuse(file, "the vocabulary is empty");
  std::unordered_map<std::string, std::size_t> seen;
  std::int64_t unknown = -1;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    const auto [first, is_new] = seen.emplace(piece.text, i);
    if (!is_new) {
      refuse(file, "pieces[" + std::to_string(i) + "]: \"" + core::printable(piece.text, 60) +
                       "\" is there already as pieces[" + std::to_string(first->second) + ']');
    }
    if (piece.type == PieceType::kUserDefined) model.normalizer.user_defined.push_back(piece.text);
    if (piece.type != PieceType::kUnknown) continue;
    if (unknown >= 0) refuse(file, "two pieces are of the type UNKNOWN, expected one");
    unknown = static_cast<std::int64_t>(i);
  }
  if (unknown < 0) refuse(file, "no piece is of the type UNKNOWN, expected one");
  model.unknown = unknown;
  if (!model.byte_fallback) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string token = fallback_token(static_cast<unsigned char>(byte));
    const auto found = seen.find(token);
    if (found == seen.end() || model.pieces[found->second].type != PieceType::kByte) {
      refuse(file, "byte_fallback is true, but there is no piece " + token + " of the type BYTE");
    }
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(const NamedText& file) {
  SentencePieceModel model;
  ProtobufReader reader(file.text, file.name);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        model.pieces.push_back(
            read_piece(reader.message(": pieces[" + std::to_string(model.pieces.size()) + ']')));
        break;
      case 2: read_trainer(reader.message(": trainer_spec"), model); break;
      case 3: read_normalizer(reader.message(": normalizer_spec"), model.normalizer); break;
      default: break;
    }
  }
  check_pieces(file.name, model);
  return model;
}

}  // namespace salf::data
