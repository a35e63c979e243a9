// The host's error type and the result that carries it. Every function that can fail returns Result<T>.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace llorch {

/// What kind of failure; the edges map it to exit codes and HTTP statuses.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,    ///< the caller's input is wrong
  kNotFound,           ///< a named thing does not exist
  kUnsupported,        ///< understood, but this build or this plugin cannot do it
  kBadModel,           ///< a model or tokenizer file breaks its format or its own promises
  kIo,                 ///< the operating system refused or a device failed
  kOutOfMemory,        ///< host or device memory
  kResourceExhausted,  ///< queue full, no KV space: try again later; nothing changed
  kCancelled,          ///< the client or an operator ended it
  kTimeout,            ///< a deadline passed
  kUnavailable,        ///< loading, draining or failed
  kInternal            ///< a defect of ours or of a plugin
};

/// Stable lower_case name of a code, for logs and JSON.
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

/// One failure. `message` says what was expected, what was found and where; it never quotes prompt text.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

/// Found by argument-dependent look-up when Result::value() is called on a failure.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

template <class T = void>
using Result = boost::system::result<T, Error>;

/// Shorthand for the place where a failure is born.
[[nodiscard]] inline Error make_error(ErrorCode code, std::string message) {
  return Error{code, std::move(message)};
}

}  // namespace llorch
