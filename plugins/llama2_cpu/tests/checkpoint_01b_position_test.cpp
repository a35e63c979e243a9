// Rung 1B: queries and keys are rotated by their positions, values are not; nothing is added to the embedding.
#include "support/checkpoints/rotary_position.hpp"
