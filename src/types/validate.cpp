#include "types/validate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "types/range_check.h"

namespace salf::types {
namespace {

std::string at(const std::string& where, const char* key) {
  return core::detail::member_path(where, key);
}

std::string at(const std::string& where, std::size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

std::string at(const std::string& where, const char* key, std::size_t index) {
  return at(at(where, key), index);
}

template <class List>
void check_length(const List& values, std::int64_t expected, const std::string& path) {
  const auto got = static_cast<std::int64_t>(values.size());
  if (got != expected) {
    refuse_document(
        path, "expected " + std::to_string(expected) + " entries, got " + std::to_string(got));
  }
}

void check_cut(std::int64_t cut, std::int64_t blocks, const std::string& path) {
  if (cut < blocks) return;
  refuse_document(path, "expected 0 to " + std::to_string(blocks - 1) + " (the model has " +
                            std::to_string(blocks) + " blocks), got " + std::to_string(cut));
}

void check_word(
    const std::string& word, const std::set<std::string>& known, const std::string& path) {
  if (known.count(word) > 0) return;
  refuse_document(path,
      "expected " + core::join({known.begin(), known.end()}, " or ") + ", got \"" + word + "\"");
}

void check_deviation(const Deviation& measured, std::int64_t blocks, const std::string& where) {
  check_length(measured.deviation, blocks + 1, at(where, "deviation"));
  check_length(measured.standard_error, blocks + 1, at(where, "standard_error"));
  check_length(measured.gain, blocks, at(where, "gain"));
  check_length(measured.gain_error, blocks, at(where, "gain_error"));
  for (std::size_t r = 0; r < measured.replicates.size(); ++r) {
    check_length(measured.replicates[r], blocks + 1, at(where, "replicates", r));
  }
  for (std::size_t i = 0; i < measured.gain.size(); ++i) {
    const double drop = measured.deviation[i] - measured.deviation[i + 1];
    const double scale =
        std::max({1.0, std::fabs(measured.deviation[i]), std::fabs(measured.deviation[i + 1])});
    if (std::fabs(drop - measured.gain[i]) <= 1e-6 * scale) continue;
    refuse_document(at(where, "gain", i),
        "expected deviation[" + std::to_string(i) + "] - deviation[" + std::to_string(i + 1) +
            "] = " + core::format_number(drop) + ", got " + core::format_number(measured.gain[i]));
  }
}

void check_choices(
    const std::vector<RuleChoice>& choices, std::int64_t blocks, const std::string& where) {
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const RuleChoice& choice = choices[i];
    const std::string path = at(where, i);
    check_cut(choice.cut, blocks, at(path, "eof"));
    check_cut(choice.high, blocks, at(path, "high"));
    if (choice.low > choice.high) {
      refuse_document(at(path, "low"), "expected at most high, got " + std::to_string(choice.low));
    }
  }
}

void check_deviations(
    const std::vector<Deviation>& deviations, std::int64_t blocks, const std::string& where) {
  if (deviations.empty()) refuse_document(where, "expected at least one measure, got none");
  std::set<Measure> seen;
  for (std::size_t i = 0; i < deviations.size(); ++i) {
    const std::string path = at(where, i);
    const Deviation& measured = deviations[i];
    if (!seen.insert(measured.measure).second) {
      refuse_document(
          at(path, "measure"), core::enum_to_string(measured.measure) + " stands there twice");
    }
    check_deviation(measured, blocks, path);
  }
}

void check_vocabulary(
    const DomainVocabulary& vocabulary, std::int64_t blocks, const std::string& where) {
  check_deviations(vocabulary.deviations, blocks, at(where, "deviations"));
  check_choices(vocabulary.choices_with, blocks, at(where, "choices_with"));
  check_choices(vocabulary.choices_without, blocks, at(where, "choices_without"));
}

void check_domains(const DomainTable& table, std::int64_t blocks, const std::string& where) {
  for (std::size_t i = 0; i < table.domains.size(); ++i) {
    const std::string path = at(where, "domains", i);
    check_deviation(table.domains[i].deviation, blocks, at(path, "deviation"));
    check_choices(table.domains[i].choices, blocks, at(path, "choices"));
  }
  for (std::size_t i = 0; i < table.agreements.size(); ++i) {
    const std::string path = at(where, "agreements", i);
    check_cut(table.agreements[i].cut, blocks, at(path, "eof"));
    check_cut(table.agreements[i].low, blocks, at(path, "low"));
    check_cut(table.agreements[i].high, blocks, at(path, "high"));
  }
}

void check_token_map(const TokenMap& map, std::int64_t blocks, const std::string& where) {
  const auto positions = static_cast<std::int64_t>(map.tokens.size());
  check_length(map.labels, positions, at(where, "labels"));
  check_length(map.deviation, blocks + 1, at(where, "deviation"));
  check_length(map.nearest, blocks + 1, at(where, "nearest"));
  for (std::size_t space = 0; space < map.deviation.size(); ++space) {
    check_length(map.deviation[space], positions, at(where, "deviation", space));
    check_length(map.nearest[space], positions, at(where, "nearest", space));
  }
}

void check_candidates(const FreezePlan& plan, const std::string& where) {
  if (plan.candidates.empty()) return;
  const auto blocks = static_cast<std::size_t>(plan.shape.blocks);
  const bool only_lora = plan.candidates.begin()->arm == Arm::kLora;
  const bool both = !only_lora && plan.candidates.size() > blocks;
  check_length(plan.candidates, plan.shape.blocks * (both ? 2 : 1), where);
  for (const Candidate& candidate : plan.candidates) {
    const std::size_t i = plan.candidates.place(candidate);
    const std::string path = at(where, i);
    const auto cut = static_cast<std::int64_t>(i % blocks);
    if ((candidate.arm == Arm::kLora) != (only_lora || i >= blocks)) {
      refuse_document(at(path, "arm"), "expected one method for the first " +
                                           std::to_string(blocks) +
                                           " candidates, lora behind them");
    }
    if (candidate.cut == cut) continue;
    refuse_document(at(path, "eof"), "expected " + std::to_string(cut) +
                                         " (candidates stand in order), got " +
                                         std::to_string(candidate.cut));
  }
}

void check_stages(const FreezePlan& plan, const std::string& where) {
  if (plan.stages.empty()) return;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const std::string path = at(where, i);
    check_cut(plan.stages[i], plan.shape.blocks, path);
    if (i == 0 || plan.stages[i] < plan.stages[i - 1]) continue;
    refuse_document(path, "expected less than the one before, " +
                              std::to_string(plan.stages[i - 1]) + ", got " +
                              std::to_string(plan.stages[i]));
  }
  if (plan.stages.back() == plan.cut) return;
  refuse_document(where, "expected the last to be eof = " + std::to_string(plan.cut) + ", got " +
                             std::to_string(plan.stages.back()));
}

}  // namespace

void check(const ModelShape& shape, const std::string& where) {
  check_ranges(shape, where);
  check_length(shape.block_parameters, shape.blocks, at(where, "block_parameters"));
  check_length(shape.block_matrix_parameters, shape.blocks, at(where, "block_matrix_parameters"));
  if (!shape.block_trained_parameters.empty()) {
    check_length(
        shape.block_trained_parameters, shape.blocks, at(where, "block_trained_parameters"));
  }
  for (std::size_t i = 0; i < shape.block_parameters.size(); ++i) {
    if (shape.block_matrix_parameters[i] <= shape.block_parameters[i]) continue;
    refuse_document(at(where, "block_matrix_parameters", i),
        "expected at most block_parameters[" + std::to_string(i) +
            "] = " + std::to_string(shape.block_parameters[i]) + ", got " +
            std::to_string(shape.block_matrix_parameters[i]));
  }
  if (shape.tied && shape.head_parameters != 0) {
    refuse_document(at(where, "head_parameters"),
        "expected 0 for a tied head, got " + std::to_string(shape.head_parameters));
  }
  const std::int64_t parts =
      std::accumulate(shape.block_parameters.begin(), shape.block_parameters.end(),
          shape.embedding_parameters + shape.head_parameters + shape.final_parameters);
  if (shape.parameters < parts) {
    refuse_document(at(where, "parameters"), "expected at least the sum of the parts, " +
                                                 std::to_string(parts) + ", got " +
                                                 std::to_string(shape.parameters));
  }
}

void check(const LayerProfile& profile, const std::string& where) {
  check_ranges(profile, where);
  check(profile.shape, at(where, "shape"));
  check_word(profile.positions, {"last", "supervised"}, at(where, "positions"));
  check_word(profile.norm, {"final", "none"}, at(where, "norm"));
  check_deviations(profile.deviations, profile.shape.blocks, at(where, "deviations"));
  if (profile.vocabulary)
    check_vocabulary(*profile.vocabulary, profile.shape.blocks, at(where, "vocabulary"));
  if (profile.domains) check_domains(*profile.domains, profile.shape.blocks, at(where, "domains"));
  for (std::size_t i = 0; i < profile.scaling_laws.size(); ++i) {
    check_length(profile.scaling_laws[i].share, profile.shape.blocks + 1,
        at(where, "scaling_laws") + "[" + std::to_string(i) + "].share");
  }
  for (std::size_t i = 0; i < profile.token_maps.size(); ++i) {
    check_token_map(profile.token_maps[i], profile.shape.blocks, at(where, "token_maps", i));
  }
}

void check(const MeasuredCost& cost, const std::string& where) { check_ranges(cost, where); }

void check(const DataShape& data, const std::string& where) {
  check_ranges(data, where);
  if (data.real_tokens > data.padded_tokens) {
    refuse_document(at(where, "real_tokens"),
        "expected at most padded_tokens = " + std::to_string(data.padded_tokens) + ", got " +
            std::to_string(data.real_tokens));
  }
}

void check(const FreezePlan& plan, const std::string& where) {
  check_ranges(plan, where);
  check(plan.shape, at(where, "shape"));
  check(plan.data, at(where, "data"));
  check_cut(plan.cut, plan.shape.blocks, at(where, "eof"));
  check_choices(plan.choices, plan.shape.blocks, at(where, "choices"));
  check_candidates(plan, at(where, "candidates"));
  check_stages(plan, at(where, "stages"));
  if (plan.knee) check_cut(*plan.knee, plan.shape.blocks, at(where, "knee"));
  for (std::size_t i = 0; i < plan.alternatives.size(); ++i) {
    check_cut(plan.alternatives[i].cut, plan.shape.blocks,
        at(where, "alternatives") + "[" + std::to_string(i) + "].eof");
  }
}

void check(const RunRecord& record, const std::string& where) {
  check_ranges(record, where);
  if (!record.options.is_object()) refuse_document(at(where, "options"), "expected an object");
  check(record.plan, at(where, "plan"));
  for (std::size_t i = 1; i < record.evaluations.size(); ++i) {
    if (record.evaluations[i - 1].step <= record.evaluations[i].step) continue;
    refuse_document(at(where, "evaluations") + "[" + std::to_string(i) + "].step",
        "expected at least the one before, " + std::to_string(record.evaluations[i - 1].step) +
            ", got " + std::to_string(record.evaluations[i].step));
  }
  for (std::size_t i = 0; i < record.stages.size(); ++i) {
    check_cut(record.stages[i].cut, record.plan.shape.blocks,
        at(where, "stages") + "[" + std::to_string(i) + "].eof");
  }
}

void check(const TrialTable& table, const std::string& where) {
  check_ranges(table, where);
  check(table.shape, at(where, "shape"));
  for (std::size_t i = 0; i < table.arms.size(); ++i) {
    check_cut(table.arms[i].cut, table.shape.blocks,
        at(where, "arms") + "[" + std::to_string(i) + "].eof");
  }
}

LayerProfile read_profile(const std::filesystem::path& path) {
  return read_checked<LayerProfile>(path);
}

TrialTable read_trials(const std::filesystem::path& path) { return read_checked<TrialTable>(path); }

FreezePlan read_plan(const std::filesystem::path& path) { return read_checked<FreezePlan>(path); }

RunRecord read_run(const std::filesystem::path& path) { return read_checked<RunRecord>(path); }

}  // namespace salf::types
