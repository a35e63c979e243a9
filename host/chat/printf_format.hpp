// "..." % value and "...".format(...).
#pragma once

#include "chat/value.hpp"

namespace llorch::chat {

/// %s %r %d %i %u %x %X %o %c %e %f %g %% with flags, width and precision; %(name)s with a dict.
[[nodiscard]] Value printf_format(Runtime& runtime, const Text& format, const Value& values);

/// {} {0} {name} {{ }}; format specifications after a colon are not supported and fail.
[[nodiscard]] Value brace_format(Runtime& runtime, const Text& format, const Arguments& arguments);

}  // namespace llorch::chat
