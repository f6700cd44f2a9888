// configs/prior.json as the program was built with it.
#pragma once

namespace salf::policy {

extern const char* const kPriorText;

}  // namespace salf::policy
