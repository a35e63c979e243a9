#include "http/peer_watch.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace llorch::http {
using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

struct PeerState {
  bool gone = false;         // reset, or both directions closed
  bool input_ended = false;  // a FIN has arrived, read or not
};

// poll() tells the state of the connection without reading: bytes of a pipelined request may stand before the FIN.
PeerState look_at(tcp::socket& socket) {
  pollfd entry{socket.native_handle(), POLLRDHUP, 0};
  if (::poll(&entry, 1, 0) < 0) return {};
  const auto events = static_cast<unsigned>(entry.revents);
  return {(events & static_cast<unsigned>(POLLERR | POLLHUP | POLLNVAL)) != 0,
          (events & static_cast<unsigned>(POLLRDHUP)) != 0};
}

}  // namespace

PeerWatch::PeerWatch(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)), timer_(connection_->socket().get_executor()) {}

void PeerWatch::start(std::function<std::string_view()> probe, std::function<void()> on_lost) {
  probe_ = std::move(probe);
  on_lost_ = std::move(on_lost);
  probe_delay_ = {};
  ++round_;
  wait_for(tcp::socket::wait_error);
  wait_for(tcp::socket::wait_read);
}

void PeerWatch::stop() {
  ++round_;
  probe_ = nullptr;
  on_lost_ = nullptr;
  timer_.cancel();
  error_code ignored;
  connection_->socket().cancel(ignored);
}

// Each wait completes once. Readable means an end of input or an early next request, and stays true from then on; so
// it is not waited for again, ticks take over.
void PeerWatch::wait_for(tcp::socket::wait_type what) {
  connection_->socket().async_wait(what, [self = shared_from_this(), round = round_, what](error_code error) {
    if (round != self->round_) return;
    self->check();  // a socket that was closed or cancelled under us is found gone
    if (!error && round == self->round_ && what == tcp::socket::wait_read) self->look();
  });
}

void PeerWatch::look() {
  if (!look_at(connection_->socket()).input_ended) return tick_after(kInputTick);
  const bool first = probe_delay_.count() == 0;
  const bool silent = std::exchange(sends_seen_, connection_->sends()) == connection_->sends();
  if (first || silent) {
    const auto round = round_;
    connection_->send_if_possible(probe_());
    check();
    if (round != round_) return;
  }
  probe_delay_ = first ? kFirstProbeTick : std::min(2 * probe_delay_, kLongestProbeTick);
  tick_after(probe_delay_);
}

void PeerWatch::tick_after(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this(), round = round_](error_code error) {
    if (error || round != self->round_) return;
    self->check();
    if (round == self->round_) self->look();
  });
}

void PeerWatch::check() {
  if (!connection_->is_broken() && !look_at(connection_->socket()).gone) return;
  ++round_;
  timer_.cancel();
  probe_ = nullptr;
  if (auto callback = std::exchange(on_lost_, nullptr)) callback();
}

}  // namespace llorch::http
