// `llorch-host plugins --validate`: the conformance kit's rules, asked of one plugin, as a table or as JSON.
#pragma once

#include <iosfwd>

#include "base/result.hpp"
#include "conformance/kit.hpp"

namespace llorch::tools {

/// Asks the rules and writes one line for each, or one JSON object. Returns whether none failed; an error means that
/// nothing could be asked. The caller must be the only thread of its process.
[[nodiscard]] Result<bool> validate_plugin(const conformance::Options& options, bool json, std::ostream& out);

}  // namespace llorch::tools
