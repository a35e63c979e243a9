// Rung 12: prompt to text.
#include "support/checkpoints/end_to_end.hpp"
