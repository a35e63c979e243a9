// Rung 2: one combined projection with bias, split in three.
#include "support/checkpoints/qkv.hpp"
