// Rung 10: greedy ids.
#include "support/checkpoints/argmax.hpp"
