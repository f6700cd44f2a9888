#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "convert/export/export_source.h"
#include "convert/gguf/gguf_layout.h"
#include "convert/gguf/gguf_writer.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer_json.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRopeDivisors = "rope_freqs.weight";

// general.file_type: LLAMA_FTYPE_ALL_F32, MOSTLY_F16, MOSTLY_Q8_0.
struct FileType {
  TensorType tensor;
  std::int64_t code;
};
FileType file_type(GgufType type) {
  if (type == GgufType::kF32) return {TensorType::kF32, 0};
  if (type == GgufType::kF16) return {TensorType::kF16, 1};
  return {TensorType::kQ8_0, 7};
}

// A tensor of the file and where it comes from.
struct Item {
  GgufTensorPlan plan;
  std::string parameter;  // "": the rotary divisors
  GgufChange change = GgufChange::kNone;
};

// A row must be a whole number of blocks.
TensorType type_for(const std::vector<std::int64_t>& shape, bool keep_float, TensorType wanted) {
  if (shape.size() < 2 || keep_float) return TensorType::kF32;
  return shape.back() % block_layout(wanted).elements == 0 ? wanted : TensorType::kF16;
}

std::vector<Item> plan_items(const ExportSource& source, TensorType wanted) {
  std::vector<Item> items;
  for (const ExpectedTensor& expected : planned_tensors(source.decoder.program)) {
    const GgufPart part = gguf_part(source.family->model_type, expected.name);
    Item item{{part.name, expected.shape, TensorType::kF32, 0}, expected.name, part.change};
    if (part.change == GgufChange::kTransposed)
      std::reverse(item.plan.shape.begin(), item.plan.shape.end());
    item.plan.type = type_for(item.plan.shape, part.keep_float, wanted);
    item.plan.bytes = encoded_bytes(item.plan.type, c10::multiply_integers(item.plan.shape));
    items.push_back(std::move(item));
  }
  const auto divisors = static_cast<std::int64_t>(gguf_rope_divisors(source).size());
  if (divisors > 0) {
    items.push_back(
        {{kRopeDivisors, {divisors}, TensorType::kF32, encoded_bytes(TensorType::kF32, divisors)},
            "", GgufChange::kNone});
  }
  return items;
}

std::string model_name(const ExportSource& source) {
  const std::string from = fs::path(source.files.card.source).filename().string();
  const std::string folder =
      fs::weakly_canonical(source.files.archive).parent_path().filename().string();
  const std::string name = from.empty() || from == "model.pt" ? folder : from;
  return core::invalid_utf8(name) ? "model" : name;
}

void add_tokenizer(const data::GgufTokenizer& tokenizer, const std::string& chat_template,
    GgufMetadata& metadata) {
  const bool pieces = tokenizer.kind == data::GgufTokenizer::Kind::kSentencePiece;
  const std::string prefix = "tokenizer.ggml.";
  metadata.text(prefix + "model", pieces ? "llama" : "gpt2");
  metadata.text(prefix + "pre", pieces ? "default" : tokenizer.pre);
  metadata.texts(prefix + "tokens", tokenizer.tokens);
  if (pieces) metadata.reals(prefix + "scores", tokenizer.scores);
  metadata.wholes(prefix + "token_type", tokenizer.token_types);
  if (!pieces) metadata.texts(prefix + "merges", tokenizer.merges);
  const auto add_id = [&](const char* key, const std::optional<std::int64_t>& id) {
    if (id) metadata.whole(prefix + key, *id);
  };
  add_id("bos_token_id", tokenizer.bos);
  add_id("eos_token_id", tokenizer.eos);
  add_id("unknown_token_id", tokenizer.unknown);
  add_id("padding_token_id", tokenizer.padding);
  metadata.flag(prefix + "add_bos_token", tokenizer.add_bos);
  if (pieces) metadata.flag(prefix + "add_space_prefix", tokenizer.add_space_prefix);
  if (!chat_template.empty()) metadata.text("tokenizer.chat_template", chat_template);
}

// The ids that config.json states, where the tokenizer's own files do not.
std::optional<std::int64_t> config_id(
    const ExportSource& source, const char* key, std::int64_t vocabulary) {
  const core::Json* found = core::find_member(source.json, key);
  if (found != nullptr && found->is_array() && !found->empty()) found = &found->front();
  if (found == nullptr || !found->is_number_integer() || !core::detail::fits<std::int64_t>(*found))
    return std::nullopt;
  const auto id = found->get<std::int64_t>();
  return id >= 0 && id < vocabulary ? std::optional<std::int64_t>(id) : std::nullopt;
}

data::ProvedGgufTokenizer read_tokenizer(const ExportSource& source) {
  if (source.files.tokenizer.empty()) {
    refuse_model(source.files.archive.parent_path(),
        "a GGUF file needs a tokenizer, and the model has none; put its tokenizer.json or "
        "tokenizer.model there, or export --to hf");
  }
  const std::int64_t vocabulary = source.decoder.config.vocabulary;
  data::ProvedGgufTokenizer result = data::make_gguf_tokenizer(source.files.tokenizer, vocabulary);
  data::GgufTokenizer& tokenizer = result.tokenizer;
  if (!tokenizer.bos) tokenizer.bos = config_id(source, "bos_token_id", vocabulary);
  if (!tokenizer.eos) tokenizer.eos = config_id(source, "eos_token_id", vocabulary);
  if (!tokenizer.padding) tokenizer.padding = config_id(source, "pad_token_id", vocabulary);
  return result;
}

// The token that ends a turn: an end token of generation_config.json that is not the tokenizer's.
std::optional<std::int64_t> turn_end_id(
    const ExportSource& source, const data::GgufTokenizer& tokenizer) {
  const fs::path path = source.files.archive.parent_path() / "generation_config.json";
  if (!fs::is_regular_file(path)) return std::nullopt;
  const core::Json json = core::read_json_file(path);
  const core::Json* const ids = core::find_member(json, "eos_token_id");
  if (ids == nullptr || !ids->is_array()) return std::nullopt;
  for (const core::Json& id : *ids) {
    const bool known = id.is_number_unsigned() && id.get<std::uint64_t>() < tokenizer.tokens.size();
    if (known && tokenizer.eos != id.get<std::int64_t>()) return id.get<std::int64_t>();
  }
  return std::nullopt;
}

GgufMetadata make_metadata(const ExportSource& source, const std::string& architecture,
    std::int64_t file_type_code, const data::GgufTokenizer& tokenizer) {
  GgufMetadata metadata;
  metadata.text("general.architecture", architecture);
  metadata.text("general.type", "model");
  metadata.text("general.name", model_name(source));
  metadata.whole("general.file_type", file_type_code);
  metadata.whole("general.quantization_version", 2);
  add_gguf_sizes(source, metadata);
  std::string chat_template = data::read_model_template(source.files.tokenizer).text;
  if (core::invalid_utf8(chat_template)) chat_template.clear();
  add_tokenizer(tokenizer, chat_template, metadata);
  if (const auto end = turn_end_id(source, tokenizer))
    metadata.whole("tokenizer.ggml.eot_token_id", *end);
  return metadata;
}

std::vector<std::uint8_t> encode_item(const ExportSource& source, const Item& item) {
  std::vector<std::uint8_t> bytes(item.plan.bytes);
  if (item.parameter.empty()) {
    const std::vector<float> divisors = gguf_rope_divisors(source);
    std::memcpy(bytes.data(), divisors.data(), bytes.size());
    return bytes;
  }
  const at::Tensor values = gguf_values(source, item.parameter, item.change);
  encode(item.plan.type, values.const_data_ptr<float>(), values.numel(), bytes.data());
  source.archive.release(source.archive.tensors().at(item.parameter));
  return bytes;
}

void describe(const ExportSource& source, const std::vector<Item>& items, GgufType type,
    ExportResult& result) {
  result.format = ExportFormat::kGguf;
  result.tensors = static_cast<std::int64_t>(items.size());
  std::set<std::string> dtypes;
  std::int64_t fallen_back = 0;
  for (const Item& item : items) {
    result.parameters += item.parameter.empty() ? 0 : c10::multiply_integers(item.plan.shape);
    result.bytes += static_cast<std::int64_t>(item.plan.bytes);
    dtypes.insert(tensor_type_name(item.plan.type));
    fallen_back += type == GgufType::kQ8_0 && item.plan.type == TensorType::kF16 ? 1 : 0;
  }
  result.dtypes.assign(dtypes.begin(), dtypes.end());
  result.note =
      "llama.cpp and what is built on it; transformers by from_pretrained(folder, gguf_file=name)";
  if (fallen_back > 0) {
    warn(result,
        std::to_string(fallen_back) +
            " matrices have rows that are no whole number of Q8_0's blocks of 32 and became F16");
  }
  for (const std::string& warning : gguf_warnings(source)) warn(result, warning);
}

}  // namespace

std::optional<ExportResult> export_gguf(const fs::path& path, const fs::path& file, GgufType type,
    core::Progress& progress, bool overwrite) {
  return run_export(path, [&] {
    const ExportSource source = open_export_source(path);
    ExportResult result;
    result.architecture = gguf_architecture(source);
    check_export_file(
        file, {"GGUF", "GGUF file", "model.gguf"}, source.files.archive, overwrite, result);
    const FileType types = file_type(type);
    const std::vector<Item> items = plan_items(source, types.tensor);
    const data::ProvedGgufTokenizer tokenizer = read_tokenizer(source);
    const GgufMetadata metadata =
        make_metadata(source, result.architecture, types.code, tokenizer.tokenizer);
    describe(source, items, type, result);
    for (const std::string& difference : tokenizer.differences)
      warn(result, "readers of the GGUF file may give other ids for " + difference);
    result.source_hash = core::sha256_file(source.files.archive);
    core::check_room(
        core::folder_of(file), static_cast<std::uint64_t>(result.bytes) + metadata.bytes().size());

    std::vector<GgufTensorPlan> plans;
    for (const Item& item : items) plans.push_back(item.plan);
    std::size_t next = 0;
    progress.begin("writing tensors", result.tensors, "tensors");
    write_gguf_file(file, metadata, plans, [&](const GgufTensorPlan& plan) {
      check_stop();
      progress.update(static_cast<std::int64_t>(next), plan.name);
      return encode_item(source, items[next++]);
    });
    progress.end();
    return result;
  });
}

}  // namespace salf::convert
