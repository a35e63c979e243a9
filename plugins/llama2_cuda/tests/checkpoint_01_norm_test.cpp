// Rung 1: RMSNorm(x) = x / sqrt(mean(x^2) + eps) * weight, eps from the file.
#include "support/checkpoints/norm.hpp"
