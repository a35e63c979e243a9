// Rung 8: all blocks, final norm, own or tied head.
#include "support/checkpoints/logits.hpp"
