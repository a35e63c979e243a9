// Rung 1: LayerNorm(x) = (x - mean) / sqrt(var + eps) * scale + bias, biased variance over the last axis.
#include "support/checkpoints/norm.hpp"
