// Rung 6: up, GELU (the tanh form for `gelu_new`, the erf form for `gelu`), down.
#include "support/checkpoints/ffn.hpp"
