// Lengths, chunks, neighbours, broken batches.
#include "support/checkpoints/edge_cases.hpp"
