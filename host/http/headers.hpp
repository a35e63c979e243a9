// Header fields of a request or a response.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace llorch::http {

/// Name and value, in order; a request's names are in lower case.
using Headers = std::vector<std::pair<std::string, std::string>>;

}  // namespace llorch::http
