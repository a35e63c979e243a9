// Rung 0: the plugin loads and answers.
#include "support/checkpoints/foundation.hpp"
