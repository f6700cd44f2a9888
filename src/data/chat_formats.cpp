#include "chat_formats.h"

namespace salf::data {
namespace {

ChatFormat chatml(std::optional<std::string> default_system) {
  ChatFormat format;
  format.system_before = "<|im_start|>system\n";
  format.user_before = "<|im_start|>user\n";
  format.assistant_before = "<|im_start|>assistant\n";
  format.system_after = format.user_after = format.assistant_after = "<|im_end|>\n";
  format.default_system = std::move(default_system);
  return format;
}

ChatFormat llama2() {
  ChatFormat format;
  format.system = SystemPlace::kFirstUser;
  format.system_before = "<<SYS>>\n";
  format.system_after = "\n<</SYS>>\n\n";
  format.user_before = "{bos}[INST] ";
  format.user_after = " [/INST]";
  format.answer_lead = " ";
  format.assistant_after = " {eos}";
  format.trim = true;
  format.alternate = true;
  return format;
}

ChatFormat llama3() {
  ChatFormat format;
  format.begin = "{bos}";
  format.system_before = "<|start_header_id|>system<|end_header_id|>\n\n";
  format.user_before = "<|start_header_id|>user<|end_header_id|>\n\n";
  format.assistant_before = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  format.system_after = format.user_after = format.assistant_after = "<|eot_id|>";
  format.trim = format.trim_system = true;
  return format;
}

// The date is the template's own default.
ChatFormat llama31() {
  ChatFormat format = llama3();
  format.system = SystemPlace::kFirstTurn;
  format.system_before += "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
  format.default_system = "";
  return format;
}

ChatFormat mistral(SystemPlace system) {
  ChatFormat format;
  format.begin = "{bos}";
  format.system = system;
  format.user_before = "[INST] ";
  format.user_after = " [/INST]";
  format.assistant_after = "{eos}";
  format.alternate = true;
  return format;
}

ChatFormat mistral_v01() {
  ChatFormat format = mistral(SystemPlace::kRefused);
  format.assistant_after = "{eos} ";
  return format;
}

ChatFormat mistral_v03() {
  ChatFormat format = mistral(SystemPlace::kLastUser);
  format.system_after = "\n\n";
  format.user_after = "[/INST]";
  format.answer_lead = " ";
  return format;
}

ChatFormat gemma() {
  ChatFormat format;
  format.begin = "{bos}";
  format.system = SystemPlace::kRefused;
  format.user_before = "<start_of_turn>user\n";
  format.assistant_before = "<start_of_turn>model\n";
  format.user_after = format.assistant_after = "<end_of_turn>\n";
  format.trim = true;
  format.alternate = true;
  return format;
}

ChatFormat phi3() {
  ChatFormat format;
  format.system_before = "<|system|>\n";
  format.user_before = "<|user|>\n";
  format.assistant_before = "<|assistant|>\n";
  format.system_after = format.user_after = format.assistant_after = "<|end|>\n";
  format.end = "{eos}";
  return format;
}

ChatFormat zephyr() {
  ChatFormat format = phi3();
  format.system_after = format.user_after = format.assistant_after = "{eos}\n";
  format.end.clear();
  return format;
}

ChatFormat vicuna() {
  ChatFormat format;
  format.system = SystemPlace::kFirstTurn;
  format.default_system =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
      "helpful, "
      "detailed, and polite answers to the user's questions.";
  format.begin = "{bos}";
  format.user_before = " USER: ";
  format.assistant_before = " ASSISTANT:";
  format.answer_lead = " ";
  format.assistant_after = "{eos}";
  format.trim = format.trim_system = true;
  return format;
}

ChatFormat alpaca() {
  ChatFormat format;
  format.system = SystemPlace::kFirstTurn;
  format.default_system =
      "Below is an instruction that describes a task. Write a response that appropriately "
      "completes the request.";
  format.begin = "{bos}";
  format.system_after = "\n\n";
  format.user_before = "### Instruction:\n";
  format.user_after = "\n\n";
  format.assistant_before = "### Response:\n";
  format.assistant_after = "{eos}\n\n";
  format.trim = format.trim_system = true;
  return format;
}

}  // namespace

const std::vector<NamedFormat>& built_in_chat_formats() {
  static const std::vector<NamedFormat> formats{
      {"chatml", chatml(std::nullopt)},
      {"smollm", chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face")},
      {"qwen2", chatml("You are a helpful assistant.")},
      {"qwen2.5", chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")},
      {"llama2", llama2()},
      {"llama3", llama3()},
      {"llama3.1", llama31()},
      {"mistral-v0.1", mistral_v01()},
      {"mistral-v0.2", mistral(SystemPlace::kRefused)},
      {"mistral-v0.3", mistral_v03()},
      {"gemma", gemma()},
      {"phi3", phi3()},
      {"zephyr", zephyr()},
      {"vicuna", vicuna()},
      {"alpaca", alpaca()},
  };
  return formats;
}

const std::vector<KnownTemplate>& known_templates() {
  static const std::vector<KnownTemplate> templates{};
  return templates;
}

}  // namespace salf::data
