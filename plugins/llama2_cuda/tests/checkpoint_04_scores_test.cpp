// Rung 4: Q.K^T / sqrt(head_dim) of rotated queries and keys, under the causal mask and the sliding window.
#include "support/checkpoints/scores.hpp"
