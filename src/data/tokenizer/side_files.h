// What the files beside a tokenizer say about its tokens, as transformers puts it together.
#pragma once

#include <filesystem>
#include <optional>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

struct SideFiles {
  // tokenizer_config.json, with what only special_tokens_map.json and added_tokens.json have: the
  // names of special tokens, and added_tokens_decoder. Nothing where there is none of them.
  std::optional<NamedText> config;
  // eos_token_id of generation_config.json, else of config.json.
  std::optional<std::int64_t> end;
};

// Reads them from a folder. Throws Error(kIo) or Error(kBadInput).
SideFiles read_side_files(const std::filesystem::path& folder);

// All ids under eos_token_id of generation_config.json, else of config.json: with each of them
// transformers' generate() ends a text. Throws Error(kIo) or Error(kBadInput).
std::vector<std::int64_t> read_end_ids(const std::filesystem::path& folder);

// The end token of a tokenizer_class that transformers gives one where no file names it; "": none.
std::string end_of_class(const JsonView& config);

// Adds the tokens of a tokenizer_config.json that `added` lacks: added_tokens_decoder, the special
// tokens that the vocabulary has, and additional_special_tokens, which get the next ids where the
// vocabulary lacks them.
void add_config_tokens(
    const JsonView& config, const class Vocabulary& vocabulary, std::vector<AddedToken>& added);

}  // namespace salf::data
