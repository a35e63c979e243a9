// Rung 5: softmax . V, merged heads, output projection with bias.
#include "support/checkpoints/attention.hpp"
