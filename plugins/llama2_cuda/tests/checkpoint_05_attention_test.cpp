// Rung 5: softmax . V, merged heads, output projection.
#include "support/checkpoints/attention.hpp"
