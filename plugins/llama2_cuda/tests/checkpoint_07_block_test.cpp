// Rung 7: pre-norm with two residual additions.
#include "support/checkpoints/block.hpp"
