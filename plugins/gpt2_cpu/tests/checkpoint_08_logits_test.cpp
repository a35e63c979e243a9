// Rung 8: all blocks, final norm, head tied to the token embedding.
#include "support/checkpoints/logits.hpp"
