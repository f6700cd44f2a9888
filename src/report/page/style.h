// The page's looks and its few switches.
#pragma once

namespace salf::report {

extern const char* const kStyle;         // CSS
extern const char* const kScript;        // language, theme, open tables before printing
extern const char* const kFollowScript;  // asks for newer contents

}  // namespace salf::report
