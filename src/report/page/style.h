// The page's style and scripts.
#pragma once

namespace salf::report {

extern const char* const kStyle;         // CSS
extern const char* const kScript;        // language, theme, open tables before printing
extern const char* const kFollowScript;  // asks for newer contents

}  // namespace salf::report
