// Rung 3: KV states through difficult streams.
#include "support/checkpoints/kv_streams.hpp"
