// A refusal of this room: the HTTP status to answer with and one sentence for the client.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace llorch::http {

/// After a fault in framing the bytes that follow cannot be trusted, so the session answers and closes.
struct Fault {
  // A constructor, because GCC 12 destroys a braced aggregate inside a co_await expression twice.
  Fault() = default;
  Fault(unsigned the_status, std::string the_message) : status(the_status), message(std::move(the_message)) {}
  unsigned status = 400;
  std::string message;
};

/// A fault of the client: status 400.
[[nodiscard]] inline Fault bad_request(std::string message) {
  return Fault{400, std::move(message)};
}

/// Found by argument-dependent look-up when Parsed::value() is called on a fault.
[[noreturn]] inline void throw_exception_from_error(const Fault& fault, const boost::source_location&) {
  throw std::runtime_error(fault.message);
}

template <class T>
using Parsed = boost::system::result<T, Fault>;

}  // namespace llorch::http
