#include "data/tokenizer/sentencepiece/sentencepiece_model.h"

#include <cmath>
#include <unordered_map>

#include "core/error.h"
#include "core/log.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/sentencepiece/protobuf.h"

namespace salf::data {
namespace {

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

[[noreturn]] void refuse_model(const std::string& file, const std::string& problem) {
  throw Error(ErrorKind::kBadInput, file + ": " + problem);
}

void check_pieces(const std::string& file, SentencePieceModel& model) {
  if (model.pieces.empty()) refuse_model(file, "the vocabulary is empty");
  std::unordered_map<std::string, std::size_t> seen;
  std::int64_t unknown = -1;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    const auto [first, is_new] = seen.emplace(piece.text, i);
    if (!is_new) {
      refuse_model(file, "pieces[" + std::to_string(i) + "]: \"" + core::printable(piece.text, 60) +
                             "\" is there already as pieces[" + std::to_string(first->second) +
                             ']');
    }
    if (piece.type == PieceType::kUserDefined) model.normalizer.user_defined.push_back(piece.text);
    if (piece.type != PieceType::kUnknown) continue;
    if (unknown >= 0) refuse_model(file, "two pieces are of the type UNKNOWN, expected one");
    unknown = static_cast<std::int64_t>(i);
  }
  if (unknown < 0) refuse_model(file, "no piece is of the type UNKNOWN, expected one");
  model.unknown = unknown;
  if (!model.byte_fallback) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string token = fallback_token(static_cast<unsigned char>(byte));
    const auto found = seen.find(token);
    if (found == seen.end() || model.pieces[found->second].type != PieceType::kByte) {
      refuse_model(
          file, "byte_fallback is true, but there is no piece " + token + " of the type BYTE");
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
