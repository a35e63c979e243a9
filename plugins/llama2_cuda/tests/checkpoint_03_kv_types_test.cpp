// Rung 3: caches of each type.
#include "support/checkpoints/kv_types.hpp"
