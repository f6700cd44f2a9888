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

// "PATH: expected EXPECTED, got GOT"
[[noreturn]] void refuse(
    const std::string& path, const std::string& expected, const std::string& got) {
  refuse_document(path, "expected " + expected + ", got " + got);
}

[[noreturn]] void refuse(const std::string& path, const std::string& expected, std::int64_t got) {
  refuse(path, expected, std::to_string(got));
}

// Calls check(item, count, its path) for each.
template <class List, class Check>
void each(const List& items, std::int64_t count, const std::string& path, Check check) {
  std::size_t i = 0;
  for (const auto& item : items) check(item, count, at(path, i++));
}

template <class List>
void check_length(const List& values, std::int64_t expected, const std::string& path) {
  const auto got = static_cast<std::int64_t>(values.size());
  if (got != expected) refuse(path, std::to_string(expected) + " entries", got);
}

void check_cut(std::int64_t cut, std::int64_t blocks, const std::string& path) {
  if (cut < blocks) return;
  refuse(path,
      "0 to " + std::to_string(blocks - 1) + " (the model has " + std::to_string(blocks) +
          " blocks)",
      cut);
}

constexpr auto check_own_cut = [](const auto& item, std::int64_t blocks, const std::string& path) {
  check_cut(item.cut, blocks, at(path, "eof"));
};

void check_word(
    const std::string& word, const std::set<std::string>& known, const std::string& path) {
  if (known.count(word) > 0) return;
  refuse(path, core::join({known.begin(), known.end()}, " or "), "\"" + word + "\"");
}

void check_deviation(const Deviation& measured, std::int64_t blocks, const std::string& where) {
  check_length(measured.deviation, blocks + 1, at(where, "deviation"));
  check_length(measured.standard_error, blocks + 1, at(where, "standard_error"));
  check_length(measured.gain, blocks, at(where, "gain"));
  check_length(measured.gain_error, blocks, at(where, "gain_error"));
  each(measured.replicates, blocks + 1, at(where, "replicates"), check_length<std::vector<double>>);
  for (std::size_t i = 0; i < measured.gain.size(); ++i) {
    const double above = measured.deviation[i], below = measured.deviation[i + 1];
    const double scale = std::max({1.0, std::fabs(above), std::fabs(below)});
    if (std::fabs(above - below - measured.gain[i]) <= 1e-6 * scale) continue;
    refuse(at(where, "gain", i),
        "deviation[" + std::to_string(i) + "] - deviation[" + std::to_string(i + 1) +
            "] = " + core::format_number(above - below),
        core::format_number(measured.gain[i]));
  }
}

void check_choice(const RuleChoice& choice, std::int64_t blocks, const std::string& where) {
  check_cut(choice.cut, blocks, at(where, "eof"));
  check_cut(choice.high, blocks, at(where, "high"));
  if (choice.low > choice.high) refuse(at(where, "low"), "at most high", choice.low);
}

void check_deviations(
    const std::vector<Deviation>& deviations, std::int64_t blocks, const std::string& where) {
  if (deviations.empty()) refuse(where, "at least one measure", "none");
  std::set<Measure> seen;
  for (std::size_t i = 0; i < deviations.size(); ++i) {
    const Measure measure = deviations[i].measure;
    if (!seen.insert(measure).second)
      refuse_document(
          at(at(where, i), "measure"), core::enum_to_string(measure) + " stands there twice");
    check_deviation(deviations[i], blocks, at(where, i));
  }
}

void check_vocabulary(
    const DomainVocabulary& vocabulary, std::int64_t blocks, const std::string& where) {
  check_deviations(vocabulary.deviations, blocks, at(where, "deviations"));
  each(vocabulary.choices_with, blocks, at(where, "choices_with"), check_choice);
  each(vocabulary.choices_without, blocks, at(where, "choices_without"), check_choice);
}

void check_domain(const DomainMeasure& domain, std::int64_t blocks, const std::string& where) {
  check_deviation(domain.deviation, blocks, at(where, "deviation"));
  each(domain.choices, blocks, at(where, "choices"), check_choice);
}

void check_agreement(
    const DomainAgreement& agreement, std::int64_t blocks, const std::string& where) {
  check_cut(agreement.cut, blocks, at(where, "eof"));
  check_cut(agreement.low, blocks, at(where, "low"));
  check_cut(agreement.high, blocks, at(where, "high"));
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
    if (candidate.cut != cut)
      refuse(at(path, "eof"), std::to_string(cut) + " (candidates stand in order)", candidate.cut);
  }
}

void check_stages(const FreezePlan& plan, const std::string& where) {
  if (plan.stages.empty()) return;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    check_cut(plan.stages[i], plan.shape.blocks, at(where, i));
    if (i == 0 || plan.stages[i] < plan.stages[i - 1]) continue;
    refuse(at(where, i), "less than the one before, " + std::to_string(plan.stages[i - 1]),
        plan.stages[i]);
  }
  if (plan.stages.back() != plan.cut)
    refuse(where, "the last to be eof = " + std::to_string(plan.cut), plan.stages.back());
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
    refuse(at(where, "block_matrix_parameters", i),
        "at most block_parameters[" + std::to_string(i) +
            "] = " + std::to_string(shape.block_parameters[i]),
        shape.block_matrix_parameters[i]);
  }
  if (shape.tied && shape.head_parameters != 0)
    refuse(at(where, "head_parameters"), "0 for a tied head", shape.head_parameters);
  const std::int64_t parts =
      std::accumulate(shape.block_parameters.begin(), shape.block_parameters.end(),
          shape.embedding_parameters + shape.head_parameters + shape.final_parameters);
  if (shape.parameters < parts) {
    refuse(at(where, "parameters"), "at least the sum of the parts, " + std::to_string(parts),
        shape.parameters);
  }
}

void check(const LayerProfile& profile, const std::string& where) {
  check_ranges(profile, where);
  check(profile.shape, at(where, "shape"));
  check_word(profile.positions, {"last", "supervised"}, at(where, "positions"));
  check_word(profile.norm, {"final", "none"}, at(where, "norm"));
  const std::int64_t blocks = profile.shape.blocks;
  check_deviations(profile.deviations, blocks, at(where, "deviations"));
  if (profile.vocabulary) check_vocabulary(*profile.vocabulary, blocks, at(where, "vocabulary"));
  if (profile.domains) {
    const std::string domains = at(where, "domains");
    each(profile.domains->domains, blocks, at(domains, "domains"), check_domain);
    each(profile.domains->agreements, blocks, at(domains, "agreements"), check_agreement);
  }
  for (std::size_t i = 0; i < profile.scaling_laws.size(); ++i)
    check_length(
        profile.scaling_laws[i].share, blocks + 1, at(at(where, "scaling_laws", i), "share"));
  each(profile.token_maps, blocks, at(where, "token_maps"), check_token_map);
}

void check(const DataShape& data, const std::string& where) {
  check_ranges(data, where);
  if (data.real_tokens > data.padded_tokens) {
    refuse(at(where, "real_tokens"),
        "at most padded_tokens = " + std::to_string(data.padded_tokens), data.real_tokens);
  }
}

void check(const FreezePlan& plan, const std::string& where) {
  check_ranges(plan, where);
  check(plan.shape, at(where, "shape"));
  check(plan.data, at(where, "data"));
  check_cut(plan.cut, plan.shape.blocks, at(where, "eof"));
  each(plan.choices, plan.shape.blocks, at(where, "choices"), check_choice);
  check_candidates(plan, at(where, "candidates"));
  check_stages(plan, at(where, "stages"));
  if (plan.knee) check_cut(*plan.knee, plan.shape.blocks, at(where, "knee"));
  each(plan.alternatives, plan.shape.blocks, at(where, "alternatives"), check_own_cut);
}

void check(const RunRecord& record, const std::string& where) {
  check_ranges(record, where);
  if (!record.options.is_object()) refuse_document(at(where, "options"), "expected an object");
  check(record.plan, at(where, "plan"));
  for (std::size_t i = 1; i < record.evaluations.size(); ++i) {
    if (record.evaluations[i - 1].step <= record.evaluations[i].step) continue;
    refuse(at(at(where, "evaluations", i), "step"),
        "at least the one before, " + std::to_string(record.evaluations[i - 1].step),
        record.evaluations[i].step);
  }
  each(record.stages, record.plan.shape.blocks, at(where, "stages"), check_own_cut);
}

void check(const TrialTable& table, const std::string& where) {
  check_ranges(table, where);
  check(table.shape, at(where, "shape"));
  each(table.arms, table.shape.blocks, at(where, "arms"), check_own_cut);
}

LayerProfile read_profile(const std::filesystem::path& path) {
  return read_checked<LayerProfile>(path);
}

TrialTable read_trials(const std::filesystem::path& path) { return read_checked<TrialTable>(path); }

FreezePlan read_plan(const std::filesystem::path& path) { return read_checked<FreezePlan>(path); }

RunRecord read_run(const std::filesystem::path& path) { return read_checked<RunRecord>(path); }

}  // namespace salf::types
