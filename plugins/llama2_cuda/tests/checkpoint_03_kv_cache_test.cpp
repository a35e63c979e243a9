// Rung 3: the KV cache, exact.
#include "support/checkpoints/kv_cache.hpp"
