// The header alone in C++20.
#include <llorch/llorch_plugin.h>

static_assert(LLORCH_ABI_VERSION == 1);
