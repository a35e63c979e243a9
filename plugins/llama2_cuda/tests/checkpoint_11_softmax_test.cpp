// Rung 11: probabilities.
#include "support/checkpoints/softmax.hpp"
