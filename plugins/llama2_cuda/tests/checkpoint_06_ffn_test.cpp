// Rung 6: SwiGLU: silu(gate) * up, down.
#include "support/checkpoints/ffn.hpp"
