#include "convert/gguf/dequantize.h"

#include <ggml.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/text.h"

namespace salf::convert {
namespace {

const ggml_type_traits& traits_of(TensorType type) {
  return *ggml_get_type_traits(static_cast<ggml_type>(type));
}

std::vector<TensorType> known_types() {
  std::vector<TensorType> types;
  for (std::uint32_t code = 0; code < GGML_TYPE_COUNT; ++code) {
    if (const auto type = tensor_type(code)) types.push_back(*type);
  }
  return types;
}

// ggml computes with the numbers before it knows that one is infinite.
void encode_q8_0(const float* source, std::uint8_t* block) {
  const ggml_type_traits& q8_0 = traits_of(TensorType::kQ8_0);
  if (std::all_of(source, source + q8_0.blck_size, [](float x) { return std::isfinite(x); })) {
    q8_0.from_float_ref(source, block, q8_0.blck_size);
    return;
  }
  const ggml_fp16_t scale = ggml_fp32_to_fp16(NAN);
  std::memset(block, 0, q8_0.type_size);
  std::memcpy(block, &scale, sizeof scale);
}

}  // namespace

std::optional<TensorType> tensor_type(std::uint32_t code) {
  if (code >= GGML_TYPE_COUNT) return std::nullopt;
  const auto type = static_cast<TensorType>(code);
  if (type != TensorType::kF32 && traits_of(type).to_float == nullptr) return std::nullopt;
  return type;
}

std::optional<TensorType> tensor_type(const std::string& name) {
  for (const TensorType type : known_types()) {
    if (name == tensor_type_name(type)) return type;
  }
  return std::nullopt;
}

std::optional<TensorType> tensor_type(c10::ScalarType type) {
  if (type == c10::kFloat) return TensorType::kF32;
  if (type == c10::kHalf) return TensorType::kF16;
  if (type == c10::kBFloat16) return TensorType::kBF16;
  return std::nullopt;
}

std::string tensor_type_name(TensorType type) {
  return tensor_type_name(static_cast<std::uint32_t>(type));
}

std::string tensor_type_name(std::uint32_t code) {
  const bool known =
      code < GGML_TYPE_COUNT && traits_of(static_cast<TensorType>(code)).blck_size > 0;
  if (!known) return "type " + std::to_string(code);
  std::string name = traits_of(static_cast<TensorType>(code)).type_name;  // "q4_K"
  std::transform(name.begin(), name.end(), name.begin(),
      [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

std::string supported_tensor_types() {
  std::vector<std::string> names;
  for (const TensorType type : known_types()) names.push_back(tensor_type_name(type));
  return core::join(names, ", ");
}

BlockLayout block_layout(TensorType type) {
  const ggml_type_traits& traits = traits_of(type);
  return {traits.blck_size, static_cast<std::int64_t>(traits.type_size)};
}

void dequantize(TensorType type, const std::uint8_t* source, std::int64_t elements, float* target) {
  const std::uint64_t bytes = encoded_bytes(type, elements);
  if (type == TensorType::kF32) {
    std::memcpy(target, source, bytes);
    return;
  }
  std::vector<std::uint8_t> copy;  // ggml reads 16 bits at a time
  if (reinterpret_cast<std::uintptr_t>(source) % sizeof(std::uint16_t) != 0) {
    copy.assign(source, source + bytes);
    source = copy.data();
  }
  traits_of(type).to_float(source, target, elements);
}

void encode(TensorType type, const float* source, std::int64_t elements, std::uint8_t* target) {
  if (type == TensorType::kF32) {
    std::memcpy(target, source, encoded_bytes(type, elements));
  } else if (type == TensorType::kQ8_0) {
    const BlockLayout layout = block_layout(type);
    for (std::int64_t block = 0; block < elements / layout.elements; ++block)
      encode_q8_0(source + block * layout.elements, target + block * layout.bytes);
  } else {
    traits_of(type).from_float_ref(source, target, elements);
  }
}

std::uint64_t encoded_bytes(TensorType type, std::int64_t elements) {
  const BlockLayout layout = block_layout(type);
  return static_cast<std::uint64_t>(elements / layout.elements * layout.bytes);
}

}  // namespace salf::convert
