// How this room's coroutines wait: an error is a value.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llorch::http {

/// `co_await operation(kAwait)` gives a tuple that begins with the error, and does not throw it.
inline constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace llorch::http
