// Rung 2: three projections without bias; fewer heads of keys and values than of queries.
#include "support/checkpoints/qkv.hpp"
