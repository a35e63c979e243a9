// Rung 4: Q.K^T / sqrt(head_dim) under the causal mask.
#include "support/checkpoints/scores.hpp"
