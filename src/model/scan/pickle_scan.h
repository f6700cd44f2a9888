// Checks a pickle before TorchScript's reader sees it. LibTorch believes what a pickle says about
// storages, sizes and memo slots; here every number is checked first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace salf::model {

// Bytes of the record that holds a storage's data; nothing if there is no such record.
using RecordSize = std::function<std::optional<std::uint64_t>(const std::string& key)>;

// Walks over the pickle without making any object. `where` names it in errors ("model.pt,
// data.pkl"). Throws Error(kBadModel) for: an instruction that torch.jit.save does not write; a
// class or function other than TorchScript's own and the few that build tensors, lists and
// dictionaries; a storage that is larger than its record; a tensor that reaches beyond its storage;
// anything nested more than 200 deep.
void scan_pickle(const std::string& where, std::string_view bytes, const RecordSize& record_size);

}  // namespace salf::model
