// LoRA on the command line: what is asked for, and the branches that it gives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/session.h"
#include "convert/adapter/peft_adapter.h"
#include "core/fields.h"
#include "types/lora_settings.h"

namespace salf::app {

struct PlanningOptions;

// What LoRA is where nothing else is said.
inline constexpr const char* kUsualLora = "r=16,alpha=32";

struct LoraOptions {
  std::string lora = "auto";  // the usual one, planned beside whole blocks; "none" or "" (of older
                              // runs): whole blocks
  std::string lora_blocks;    // "": all above the cut
  std::string full_blocks;    // "": none

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(
        Field{"lora",
            "auto: LoRA or whole blocks, whichever is predicted to end lower; none: whole blocks; "
            "or LoRA alone: "
            "r=16,alpha=32,targets=all-linear; or targets=q_proj,v_proj; rslora, ratio=16 (LoRA+)"},
        self.lora);
    visit(Field{"lora_blocks", "blocks that get LoRA, as in 15-23; without it all above the cut"},
        self.lora_blocks);
    visit(Field{"full_blocks", "blocks that are tuned as wholes beside them, as in 24-29"},
        self.full_blocks);
  }

  // `adapter`: --adapter, "" for none. What chooses a cut is refused beside what already says it.
  std::vector<std::string> problems(
      const PlanningOptions& planning, const std::string& adapter) const;
  // Of LoRA that is asked for instead of whole blocks. Throws Error(kUsage) as the parts of the
  // text do.
  std::optional<types::LoraSettings> settings() const;
};

inline const char* const kLoraAndAdapter =
    "--adapter goes on from an adapter, which says its rank and its layers: leave out --lora";

// What is to be tuned besides, or instead of, whole blocks: by the options, or going on from an
// adapter.
struct LoraStart {
  types::LoraSettings settings;
  std::vector<model::LoraLayer> branches;  // for every block that may have some
  std::optional<std::int64_t> cut;         // the cut that follows from it, if any
};

// Nothing without settings and adapter. Goes on from the adapter if it is not "". Throws
// Error(kUsage) for blocks that the model does not have, targets that match nothing and ranks that
// are too large, and as open_adapter does.
std::optional<LoraStart> start_lora(const std::optional<types::LoraSettings>& settings,
    const std::string& adapter, const ModelSession& session, std::uint64_t seed);

// LoRA that is planned beside whole blocks: with auto, where the predicted loss chooses among cuts
// for one stage, the rule says the learning rate, and the model has matrices large enough for it.
std::optional<LoraStart> lora_beside(const LoraOptions& options, const PlanningOptions& planning,
    const std::string& adapter, const ModelSession& session, std::uint64_t seed);

// --cut, or the cut that follows from the blocks that get LoRA. Throws Error(kUsage) if they
// contradict each other.
std::optional<std::int64_t> wanted_cut(
    const std::optional<LoraStart>& lora, const std::optional<std::int64_t>& asked);

// The branches above a cut.
std::vector<model::LoraLayer> branches_above(
    const std::vector<model::LoraLayer>& branches, std::int64_t cut);

// Elements that are trained in each block (ModelShape::block_trained_parameters).
std::vector<std::int64_t> trained_of_blocks(const types::ModelShape& shape, const LoraStart& lora);

}  // namespace salf::app
