// Threads and repetition.
#include "support/checkpoints/threads.hpp"
