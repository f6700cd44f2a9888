// LoRA as a person asks for it.
#pragma once

#include "core/fields.h"
#include "types/lora_settings.h"

namespace salf::app {

struct PlanningOptions;

// LoRA's settings where nothing else is said.
inline constexpr const char* kUsualLora = "r=16,alpha=32";

struct LoraOptions {
  // auto: the usual one, planned beside whole blocks; "none" or "" (of older runs): whole blocks.
  std::string lora = "auto";
  std::string lora_blocks;  // "": all above the cut
  std::string full_blocks;  // "": none

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Tuning");
    visit(Field{"lora",
              "auto: LoRA or whole blocks, whichever is predicted to end lower; none: whole "
              "blocks; or LoRA alone: r=16,alpha=32,targets=all-linear; or targets=q_proj,v_proj; "
              "rslora, ratio=16 (LoRA+)"}
              .common(),
        self.lora);
    visit(Field{"lora_blocks", "blocks that get LoRA, as in 15-23; without it all above the cut"},
        self.lora_blocks);
    visit(Field{"full_blocks", "blocks that are tuned as wholes beside them, as in 24-29"},
        self.full_blocks);
  }

  // `adapter`: --adapter, "" for none. An option that chooses a cut is refused beside one that
  // already says it.
  std::vector<std::string> problems(
      const PlanningOptions& planning, const std::string& adapter) const;
  // Of LoRA that is asked for instead of whole blocks. Throws Error(kUsage).
  std::optional<types::LoraSettings> settings() const;
  // Whether the plan may choose LoRA beside whole blocks: with auto, where the predicted loss
  // chooses among cuts for one stage and the rule says the learning rate.
  bool beside(const PlanningOptions& planning, const std::string& adapter) const;
};

}  // namespace salf::app
