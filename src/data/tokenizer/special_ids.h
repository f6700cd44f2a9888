// The ids that begin, end and pad a document: from the post_processor of a tokenizer.json and the
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

// `defaults` hold where neither part says anything. Either part may be missing. A template that
// begins with a token sets add_bos, and bos unless `config` does. `config`'s own add_bos_token has
// priority, as in transformers. Throws Error(kBadInput) that names what is not supported and tokens
// that the vocabulary lacks. A padding token that it lacks is ignored: the model never sees it.
SpecialIds read_special_ids(const std::optional<JsonView>& post_processor,
    const std::optional<JsonView>& config, const IdLookup& id_of, const SpecialIds& defaults = {});

}  // namespace salf::data
