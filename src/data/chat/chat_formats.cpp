// The chat formats that are built in, and the templates that they stand for.
#include "core/hash.h"
#include "core/json.h"
#include "data/chat/chat_template.h"

namespace salf::data {
namespace {

// A built-in format: ChatFormat's fields in JSON, on top of those of another, earlier one.
struct BuiltIn {
  const char* name;
  const char* base;  // its name; "": none
  const char* fields;
};
constexpr BuiltIn kBuiltIn[] = {
    {"chatml", "", R"({
        "system_before": "<|im_start|>system\n", "system_after": "<|im_end|>\n",
        "user_before": "<|im_start|>user\n", "user_after": "<|im_end|>\n",
        "assistant_before": "<|im_start|>assistant\n", "assistant_after": "<|im_end|>\n"})"},
    {"smollm", "chatml", R"({"default_system":
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face"})"},
    {"qwen2", "chatml", R"({"default_system": "You are a helpful assistant."})"},
    {"qwen2.5", "chatml", R"({"default_system":
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."})"},
    {"qwen3", "chatml", R"({"thinking": true})"},
    {"llama2", "", R"({
        "system": "first-user", "system_before": "<<SYS>>\n", "system_after": "\n<</SYS>>\n\n",
        "user_before": "{bos}[INST] ", "user_after": " [/INST]", "answer_lead": " ",
        "assistant_after": " {eos}", "trim_user": true, "trim_answer": true, "alternate": true})"},
    {"llama3", "", R"({"begin": "{bos}",
        "system_before": "<|start_header_id|>system<|end_header_id|>\n\n",
        "user_before": "<|start_header_id|>user<|end_header_id|>\n\n",
        "assistant_before": "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "system_after": "<|eot_id|>", "user_after": "<|eot_id|>", "assistant_after": "<|eot_id|>",
        "trim_system": true, "trim_user": true, "trim_answer": true})"},
    // The date is the one that the template names itself: with today's (Llama 3.2 takes it where
    // the program has a clock) the same rows would be other tokens tomorrow.
    {"llama3.1", "llama3", R"({"system": "first-turn", "default_system": "", "system_before":
        "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"})"},
    {"mistral-v0.1", "", R"({"begin": "{bos}", "system": "refused", "user_before": "[INST] ",
        "user_after": " [/INST]", "assistant_after": "{eos} ", "alternate": true})"},
    {"mistral-v0.2", "mistral-v0.1", R"({"assistant_after": "{eos}"})"},
    {"mistral-v0.3", "mistral-v0.2", R"({"system": "last-user", "system_after": "\n\n",
        "user_after": "[/INST]", "answer_lead": " ", "trim_answer": true})"},
    {"gemma", "", R"({"begin": "{bos}", "system": "refused",
        "user_before": "<start_of_turn>user\n", "user_after": "<end_of_turn>\n",
        "assistant_before": "<start_of_turn>model\n", "assistant_after": "<end_of_turn>\n",
        "trim_user": true, "trim_answer": true, "alternate": true})"},
    {"phi3", "", R"({"system_before": "<|system|>\n", "system_after": "<|end|>\n",
        "user_before": "<|user|>\n", "user_after": "<|end|>\n",
        "assistant_before": "<|assistant|>\n", "assistant_after": "<|end|>\n", "end": "{eos}"})"},
    {"zephyr", "phi3", R"({"system_after": "{eos}\n", "user_after": "{eos}\n",
        "assistant_after": "{eos}\n", "end": ""})"},
    {"vicuna", "", R"({"system": "first-turn", "default_system":
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.",
        "begin": "{bos}", "user_before": " USER: ", "assistant_before": " ASSISTANT:",
        "answer_lead": " ", "assistant_after": "{eos}",
        "trim_system": true, "trim_user": true, "trim_answer": true})"},
    {"alpaca", "", R"({"system": "first-turn", "default_system":
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
        "begin": "{bos}", "system_after": "\n\n",
        "user_before": "### Instruction:\n", "user_after": "\n\n",
        "assistant_before": "### Response:\n", "assistant_after": "{eos}\n\n",
        "trim_system": true, "trim_user": true, "trim_answer": true})"},
};

struct KnownTemplate {
  const char* sha256;  // of jinja_tokens(template)
  const char* name;    // of the format
};
constexpr KnownTemplate kKnownTemplates[] = {
    {"c035698ec5728290898a3953ae5269d3e56b134082b95510ebb2b1397aa7251e", "chatml"},
    {"4e949a9935dbebc5c45d0decf901fe02d31b75886b17c2e31783f590594432a1", "smollm"},
    {"9fd3276ae19ced91648f09128f72ccb79b71d8d0c3629badd0cb4069a83362c6", "qwen2"},
    {"cd4839ed5e698ebb47546d9cbb0f070f9c04fd57f962e0baa474f1cea8f2d5bd", "qwen2.5"},
    // As Qwen2.5-Instruct has it, with the part about tools.
    {"485b967c12aa015ec3684ddb7cc440b962dbb57f511c5273f3e241e9097a3f69", "qwen2.5"},
    {"547a5f367c000dd6df248b5f133352672d54648748c3d6c3d6e5a0ec41ee2821", "qwen3"},
    // As Qwen3 has it since its release, and since contents may be null.
    {"32c1405bf7a97008bc62067723911771ff2c6d5c96053eafeda4b5b66837fe59", "qwen3"},
    {"a67563a6f9e1e6938d3ca6835a26f5c942936f1259100fad4a059a63650bbc6c", "qwen3"},
    {"1725e1b4f09a1aacc6777f763333a63063c6d2d286e6dfc46327e5dd1fa99fbb", "llama2"},
    {"82108752134cc7221e38e94a94c9227ea331f5f5d121fc1766c2987aaa037615", "llama3"},
    {"bee34dde166927c31251b0c2ecf6571b791f3e34eb2f7e0f5d11cc780b79f5fb", "llama3.1"},
    // As Llama 3.1-Instruct and 3.3-Instruct have it, and Llama 3.2-Instruct, with the part about
    // tools.
    {"033849d99e94b87edbafbfc68131bf432c840438b66ffb077455fa1766950450", "llama3.1"},
    {"f4cc4e903e786bd8519a6e06ba7cb8ac623945d0a6255ffb51dd1ff0913886e8", "llama3.1"},
    {"daf3ba9af62c2a2854c188be0a933e9e404222712ceec5936369e492f21322de", "mistral-v0.1"},
    {"153dbe1a771da7474ccba7287bb8d2f5f47cd1eea0cc96b05dfc948ba823d98e", "mistral-v0.2"},
    {"9a55782d1778ff1a393c80a3011bf73c11857e4c56fbf3273efffb36546b85b6", "mistral-v0.3"},
    // As Mistral-7B-Instruct-v0.3 has it, with the part about tools.
    {"98ecb0b53d54b761f6dd33f73c29c4024abdfc84d3daf1bc745e9db80680036a", "mistral-v0.3"},
    {"7b42049edfd9f5b137e9d173ffa81959dac81684721c9b4d31cd9b1d6592eeb4", "gemma"},
    {"8e392b252f7d452d76401b622f7c45bdd0c9668f260eb2d3edb1e5752e27145c", "phi3"},
    {"4753e9b23e4020b03d4caff1849de9d3adb4c32a089400ccba1d205befa45c00", "zephyr"},
    {"8d70b5237e631334ca7bccf39cfe01990a8cd1387cf2bf69c13ea39ca5dae8a9", "vicuna"},
    {"183197ef3defd99c1ec0f9658e89fed155c95730a8904ca78def64e907f0f18e", "alpaca"},
};

}  // namespace

const std::vector<NamedFormat>& built_in_chat_formats() {
  static const std::vector<NamedFormat> formats = [] {
    std::vector<NamedFormat> read;
    for (const BuiltIn& next : kBuiltIn) {
      NamedFormat format{next.name, {}};
      for (const NamedFormat& base : read) {
        if (base.name == next.base) format.format = base.format;
      }
      core::from_json(core::parse_json(next.fields, next.name), next.name, format.format);
      read.push_back(std::move(format));
    }
    return read;
  }();
  return formats;
}

std::vector<std::string> chat_format_names() {
  std::vector<std::string> names;
  for (const NamedFormat& format : built_in_chat_formats()) names.push_back(format.name);
  return names;
}

std::optional<std::string> recognise_template(const std::string& jinja) {
  const std::string hash = core::sha256(jinja_tokens(jinja));
  for (const KnownTemplate& known : kKnownTemplates) {
    if (hash == known.sha256) return known.name;
  }
  return std::nullopt;
}

}  // namespace salf::data
