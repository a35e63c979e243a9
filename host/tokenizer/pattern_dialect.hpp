// Regular expressions as tokenizer.json files spell them, to the spelling that PCRE2 understands.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch::tokenizer {

/// Those files are written for Oniguruma (Ruby's dialect). What both dialects mean alike is kept; \s, \w, \uHHHH and
/// scripts are respelled; what they mean differently (nested classes, intersections, \h, \K, ...) is an error that
/// names it. The result is to be compiled with UTF, UCP and MULTILINE. [any-thread]
[[nodiscard]] Result<std::string> to_pcre2_dialect(std::string_view pattern);

}  // namespace llorch::tokenizer
