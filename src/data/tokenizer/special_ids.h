// Which ids begin, end and pad a document? The post_processor of a tokenizer.json and the
// tokenizer_config.json beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "data/rows/checked_json.h"

namespace salf::data {

struct SpecialIds {
  std::optional<std::int64_t> bos, eos, padding;
  bool add_bos = false;
  std::string where;  // file and place, for messages
};

// The id of a token's text.
using IdLookup = std::function<std::optional<std::int64_t>(const std::string&)>;

// `defaults` hold where neither says anything.
// A template that begins with a token means add_bos, and names bos where `config` does not.
// `config`'s own add_bos_token is stronger, as in transformers. Either may be null. Throws
// Error(kBadInput), naming what is not supported, and tokens that the vocabulary does not have;
// padding, which the model never sees, is then none.
SpecialIds read_special_ids(const std::optional<JsonView>& post_processor,
    const std::optional<JsonView>& config, const IdLookup& id_of, const SpecialIds& defaults = {});

}  // namespace salf::data
