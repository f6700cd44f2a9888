// The operators that a decoder's program may use.
#pragma once

#include <string>

namespace salf::model {

// True for operators that compute tensors, numbers, lists and strings from their arguments and
// touch nothing else: "aten::matmul", "prim::If". Files, other processes, the terminal, raw storage
// and random generators' state are out of reach of all of them.
bool is_allowed_operator(const std::string& name);

}  // namespace salf::model
