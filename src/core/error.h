// salf::Error, which the public API throws too.
#pragma once

#include <salf/error.h>
