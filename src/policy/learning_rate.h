// Gives a cut its learning rate: a rule in the trained share, until trials have measured one.
#pragma once

#include "types/freeze_plan.h"
#include "types/trial_table.h"

namespace salf::policy {

// Whole blocks: 1.5e-4 · share^−¾, share = trained parameters / all parameters, at most 1e-3 (one
// block of a deep model would otherwise get a rate at which a first prototype diverged). LoRA (rank
// 16 or so, whose product starts at 0): 1.5e-3 · ((L − cut) / L)^−¾, at most 3e-3. Where there is
// more than one epoch, divided by epochs^1.5 and LoRA's by the epochs.
//
// Evidence, SmolLM2-135M, batches of 1,024 tokens, AdamW:
// - Whole blocks, GSM8K. Full tuning (share 1) did best at 1.5e-4 of {5e-5, 1.5e-4}; cut 8 (0.58)
//   was tried at 2e-4; cut 15 (0.39) learned far faster at 4e-4 than at 1e-4 and overfitted at 8e-4
//   and in the second epoch at 4e-4. The rule gives 1.5e-4, 2.3e-4 and 3.0e-4 there. Trials of
//   {1/2, 1, 2} times the rule (docs/results/truth_table): for full tuning and cuts 4 to 20 half of
//   it was best on GSM8K with masked prompts (by 0.008 to 0.024 nats), the rule itself on the
//   Jargon File.
// - LoRA, trials of {5e-4, 1e-3, 2e-3} at quarter length on dev (docs/results/truth_table). On all
//   blocks 1e-3 was ahead of 2e-3 by 0.010 nats on GSM8K and 2e-3 of 1e-3 by 0.019 on the Jargon
//   File; above 12 of 30 blocks 2e-3 was ahead by 0.024 and 0.036. The rule gives 1.5e-3 and 2.2e-3
//   there, about ten times full tuning's, as Schulman et al. found over many models ("LoRA Without
//   Regret", 2025). Deeper cuts were not tried.
// - Epochs, 100 rows of GSM8K, loss on 120 others (docs/results/prediction.md). After one
//   epoch transformers did best at 1e-4 and PEFT at 4e-3, the highest of {5e-4, 1e-3, 2e-3, 4e-3};
//   after three at 5e-5 (the lowest of {5e-5, 1e-4, 2e-4}) and 1e-3, by 0.012 and 0.014 nats.
//   (Theirs falls from the start; here it is kept for four fifths of the steps, which adds up to
//   1.8 times as much.) Three epochs here, LoRA above 8: 0.938 at the rule's rate of one epoch,
//   0.875 at a third of it. Whole blocks above 8: 0.987 at the rate of one epoch, 0.918 at a third,
//   0.881 at a sixth, 0.903 at a twelfth.
double learning_rate(
    const types::ModelShape& shape, types::Arm arm, std::int64_t cut, double epochs);

// What trials say of the rule at this cut: the factor that was best for the arm nearest to it of
// those that tried several, where that beat the rule's own rate by more than two paired standard
// errors; else 1.
double trial_rate_factor(const types::TrialTable& trials, types::Arm arm, std::int64_t cut);

}  // namespace salf::policy
