// Rung 9: logits of the rows that asked for them.
#include "support/checkpoints/selected_logits.hpp"
