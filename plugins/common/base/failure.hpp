// Failures inside plugins: exceptions that the ABI layer turns into a status and a message.
#pragma once

#include <llorch/plugin.hpp>

namespace llorch::common {

using abi::fail;
using abi::Failure;

}  // namespace llorch::common
