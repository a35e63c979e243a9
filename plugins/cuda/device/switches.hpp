// What an environment variable can turn off, for tools that look at single kernels and for comparisons.
#pragma once

namespace llorch::cuda {

/// Whether the variable is unset or "1"; false for "0". INVALID_ARGUMENT, naming it, for anything else. [any-thread]
[[nodiscard]] bool switched_on(const char* variable);

}  // namespace llorch::cuda
