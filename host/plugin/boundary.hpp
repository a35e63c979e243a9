// The edge of the ABI as the host sees it: statuses become errors, exceptions stop here.
#pragma once

#include <llorch/llorch_plugin.h>
#include <spdlog/fmt/fmt.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "base/text.hpp"

namespace llorch::plugin {

/// "NO_KV_SPACE", "BAD_MODEL", ..., "status -77".
[[nodiscard]] std::string status_name(llorch_status status);

/// Unknown positive statuses are retryable, unknown negative ones internal, as the header says.
[[nodiscard]] ErrorCode error_code_of(llorch_status status) noexcept;

/// Calls into a plugin. An exception that escapes one breaks the contract; it ends here as kInternal naming plugin and
/// function. Returns whatever `call` returns.
template <class Call>
[[nodiscard]] auto at_boundary(std::string_view who, std::string_view function, Call&& call)
    -> Result<decltype(call())> {
  std::string what;
  try {
    return std::forward<Call>(call)();
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an unknown exception";
  }
  return make_error(ErrorCode::kInternal, fmt::format("{}: {} threw across the ABI: {}", who, function, what));
}

/// As above for functions that report through a llorch_error. `call` gets the buffer; a status other than OK becomes
/// an Error whose message is "<plugin>: <function>: <the plugin's words>".
template <class Call>
[[nodiscard]] Result<void> checked_call(std::string_view who, std::string_view function, Call&& call) {
  llorch_error error{};
  error.struct_size = sizeof error;
  const auto status = at_boundary(who, function, [&] { return std::forward<Call>(call)(&error); });
  if (!status) return status.error();
  if (*status == LLORCH_OK) return {};
  error.message[sizeof error.message - 1] = '\0';       // whatever the plugin wrote
  const std::string message = one_line(error.message);  // it may repeat what stands in a model file
  return make_error(error_code_of(*status),
                    fmt::format("{}: {}: {}", who, function, message.empty() ? status_name(*status) : message));
}

}  // namespace llorch::plugin
