#include "http/session.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "http/authorization.hpp"
#include "http/chunked_decoder.hpp"
#include "http/response_text.hpp"

namespace llorch::http {
namespace asio = boost::asio;

namespace {

// Also what a half-closed connection is probed with: the one interim response that every client knows to skip.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Response Hub::error(unsigned status, std::string_view message) const {
  Response response;
  if (router->error_body) {
    response = router->error_body(status, message);
  } else {
    response.content_type = "text/plain";
    response.body = std::string(message) + "\n";
  }
  response.status = status;
  return response;
}

void Hub::close_idle_when_drained() {
  if (!draining || busy > 0) return;
  for (Session* session : sessions) {
    if (session->is_idle()) session->close();
  }
}

bool Hub::close_one_idle() {
  const auto found = std::find_if(sessions.begin(), sessions.end(), [](Session* s) { return s->is_idle(); });
  if (found == sessions.end()) return false;
  (*found)->close();
  return true;
}

Session::Session(asio::ip::tcp::socket socket, std::shared_ptr<Hub> hub)
    : hub_(std::move(hub)),
      connection_(std::make_shared<Connection>(std::move(socket), hub_->options.write_deadline)),
      watch_(std::make_shared<PeerWatch>(connection_)) {
  hub_->sessions.push_back(this);
  place_ = std::prev(hub_->sessions.end());
}

Session::~Session() {
  hub_->sessions.erase(place_);
  if (busy_) --hub_->busy;  // only when the io_context is torn down in the middle of a request
}

asio::awaitable<void> Session::run() {
  const auto self = shared_from_this();
  try {
    while (co_await serve_one()) {
      // Pipelined requests come straight from input_: let the other connections have a turn.
      co_await asio::post(executor(), asio::use_awaitable);
    }
  } catch (const std::exception& error) {
    spdlog::error("http: connection closed after an unexpected failure: {}", error.what());
  }
  watch_->stop();
  if (busy_) end_request();
  connection_->close();
}

asio::awaitable<bool> Session::serve_one() {
  Outcome outcome = co_await read_head();
  if (outcome == Outcome::kOk) outcome = co_await check_before_body();
  if (outcome == Outcome::kOk) outcome = co_await read_body();
  if (outcome == Outcome::kOk) co_await dispatch();
  if (outcome == Outcome::kGone || connection_->is_broken() || answer_ != Answer::kDone) co_return false;
  const bool keep = keep_alive_;
  closing_ = !keep;
  end_request();
  if (!keep) co_await connection_->close_gently();
  co_return keep;
}

asio::awaitable<Session::Outcome> Session::read_failed(ReadStatus status) {
  if (status == ReadStatus::kClosed) co_return Outcome::kGone;
  co_return co_await refuse(Fault{408, "the request did not arrive within its deadline"});
}

asio::awaitable<Session::Outcome> Session::read_head() {
  const bool is_first = request_number_ == 0;
  auto deadline =
      Connection::Clock::now() + (is_first ? hub_->options.request_deadline : hub_->options.keep_alive_deadline);
  answer_ = Answer::kNone;
  bool waiting = true;  // for the first byte
  std::size_t scanned = 0;
  for (;;) {
    while (waiting && input_.starts_with("\r\n"))
      input_.erase(0, 2);  // RFC 9112 section 2.2
    if (waiting && !input_.empty() && input_ != "\r") {
      waiting = false;
      scanned = 0;
      began_ = Connection::Clock::now();
      deadline_ = deadline = began_ + hub_->options.request_deadline;
    }
    const HeadScan scan = waiting ? HeadScan::kIncomplete : scan_head(input_, &scanned);
    if (scan == HeadScan::kMalformed) {
      co_return co_await refuse(Fault{400, "head: bare CR or LF, NUL or another control character"});
    }
    const std::size_t size = scan == HeadScan::kComplete ? scanned : input_.size();
    if (size > hub_->options.max_header_bytes) {
      const auto limit = std::to_string(hub_->options.max_header_bytes);
      co_return co_await refuse(Fault{431, "request line and headers are longer than " + limit + " bytes"});
    }
    if (scan == HeadScan::kComplete) break;
    const ReadResult read = co_await connection_->read_some(deadline);
    if (read.status != ReadStatus::kData) {
      if (waiting) co_return Outcome::kGone;  // nothing was asked, so nothing is answered
      co_return co_await read_failed(read.status);
    }
    input_.append(read.bytes);
  }
  auto head = parse_head(std::string_view(input_).substr(0, scanned));
  input_.erase(0, scanned);
  if (!head) co_return co_await refuse(head.error());
  begin_request(std::move(*head));
  co_return Outcome::kOk;
}

void Session::begin_request(Head head) {
  head_ = std::move(head);
  busy_ = true;
  ++hub_->busy;
  hub_->sessions.splice(hub_->sessions.end(), hub_->sessions, place_);
  ++request_number_;
  lost_ = false;
  keep_alive_ = head_.keep_alive;
  request_ = Request{};
  request_.method = head_.method;
  request_.path = head_.path;
  request_.query = head_.query;
  request_.headers = std::move(head_.headers);
  request_.id = accept_or_make_request_id(request_.header("x-request-id"));
}

void Session::end_request() {
  if (!std::exchange(busy_, false)) return;
  log_answer();
  request_ = Request{};
  --hub_->busy;
  hub_->close_idle_when_drained();
}

void Session::log_answer() const {
  const auto level = is_open_path(request_.path) ? spdlog::level::debug : spdlog::level::info;
  const auto elapsed = std::chrono::duration<double, std::milli>(Connection::Clock::now() - began_).count();
  spdlog::log(level, "http: {} {} {} status {} in {:.1f} ms{}", request_.id, request_.method,
              std::string_view(request_.path).substr(0, 128), status_, elapsed, lost_ ? ", client gone" : "");
}

// After a refusal before the body was read, what follows is not the next request: the connection ends.
asio::awaitable<Session::Outcome> Session::refuse(Fault fault, Headers headers) {
  spdlog::debug("http: refused with {}: {}", fault.status, fault.message);
  if (!busy_) {  // no usable head
    Head none;
    none.keep_alive = false;
    begin_request(std::move(none));
  }
  keep_alive_ = keep_alive_ && fault.status >= 401 && fault.status <= 405 && !head_.has_body();
  Response response = hub_->error(fault.status, fault.message);
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
  co_await respond(std::move(response));
  co_return Outcome::kRefused;
}

asio::awaitable<Session::Outcome> Session::check_before_body() {
  const ServerOptions& options = hub_->options;
  const bool is_open = options.api_key.empty() || is_open_path(request_.path);
  if (!is_open && !is_authorized(request_.headers, options.api_key)) {
    Headers challenge{{"WWW-Authenticate", "Bearer"}};
    co_return co_await refuse(Fault{401, "missing or wrong API key: expected 'Authorization: Bearer <key>'"},
                              challenge);
  }
  const std::string allowed = hub_->router->allowed(request_.path);
  if (allowed.empty()) co_return co_await refuse(Fault{404, "no such path"});
  if (request_.method == "OPTIONS" && hub_->router->find("OPTIONS", request_.path) == nullptr) {
    keep_alive_ = keep_alive_ && !head_.has_body();
    Response response{204, "", "", {{"Allow", allowed}}};
    co_await respond(std::move(response));
    co_return Outcome::kRefused;
  }
  if (hub_->router->find(request_.method, request_.path) == nullptr) {
    Headers allow{{"Allow", allowed}};
    co_return co_await refuse(Fault{405, "this path answers " + allowed}, allow);
  }
  if (head_.content_length.value_or(0) > options.max_body_bytes) {
    co_return co_await refuse(Fault{413, "the body may have " + std::to_string(options.max_body_bytes) + " bytes"});
  }
  if (head_.expectation == Expectation::kOther) {
    co_return co_await refuse(Fault{417, "the only expectation known here is 100-continue"});
  }
  if (head_.expectation == Expectation::kContinue && head_.has_body() && input_.empty()) {
    const bool sent = co_await connection_->send(std::string(kContinue));
    if (!sent) co_return Outcome::kGone;
  }
  co_return Outcome::kOk;
}

asio::awaitable<Session::Outcome> Session::read_body() {
  if (head_.chunked) co_return co_await read_chunked_body();
  co_return co_await read_sized_body();
}

asio::awaitable<Session::Outcome> Session::read_sized_body() {
  const auto length = static_cast<std::size_t>(head_.content_length.value_or(0));
  std::string& body = request_.body;
  body = input_.substr(0, length);
  input_.erase(0, body.size());
  while (body.size() < length) {
    const ReadResult read = co_await connection_->read_some(deadline_);
    if (read.status != ReadStatus::kData) co_return co_await read_failed(read.status);
    const std::size_t take = std::min(length - body.size(), read.bytes.size());
    body.append(read.bytes.substr(0, take));
    input_.append(read.bytes.substr(take));
  }
  co_return Outcome::kOk;
}

asio::awaitable<Session::Outcome> Session::read_chunked_body() {
  ChunkedDecoder decoder(hub_->options.max_body_bytes);
  input_.erase(0, decoder.feed(input_, &request_.body));
  while (!decoder.done() && !decoder.fault()) {
    const ReadResult read = co_await connection_->read_some(deadline_);
    if (read.status != ReadStatus::kData) co_return co_await read_failed(read.status);
    input_.append(read.bytes.substr(decoder.feed(read.bytes, &request_.body)));
  }
  if (decoder.fault()) co_return co_await refuse(*decoder.fault());
  co_return Outcome::kOk;
}

asio::awaitable<void> Session::dispatch() {
  const Handler* handler = hub_->router->find(request_.method, request_.path);
  handling_ = true;
  watch_->start([this] { return probe_bytes(); }, [this] { lost(); });
  bool failed = false;
  try {
    co_await (*handler)(request_, *this);
  } catch (const std::exception& error) {
    failed = true;
    spdlog::error("http: {} {} {}: the handler failed: {}", request_.id, request_.method, request_.path, error.what());
  } catch (...) {
    failed = true;
    spdlog::error("http: {} {} {}: the handler failed with an exception that is not a std::exception", request_.id,
                  request_.method, request_.path);
  }
  watch_->stop();
  handling_ = false;
  on_disconnect_ = nullptr;
  if (answer_ == Answer::kDone || disconnected()) co_return;
  if (answer_ == Answer::kStreaming) {
    // Closing without the last chunk is how HTTP/1.1 says that the answer is cut short.
    spdlog::error("http: {} {}: the handler left its stream unfinished", request_.id, request_.path);
    co_return;
  }
  if (!failed) spdlog::error("http: {} {}: the handler gave no answer", request_.id, request_.path);
  co_await respond(hub_->error(500, "internal error; the log has more under this request's id"));
}

std::string_view Session::probe_bytes() const {
  if (head_.minor_version == 0 || head_.method == "HEAD") return {};
  if (answer_ == Answer::kNone) return kContinue;
  if (answer_ == Answer::kStreaming) return "1\r\n\n\r\n";  // an empty line between events means nothing
  return {};
}

void Session::lost() {
  if (std::exchange(lost_, true)) return;
  fire_disconnect();
}

// Posted, so that a callback never runs inside the handler's own call of write() or on_disconnect().
void Session::fire_disconnect() {
  if (!on_disconnect_ || !handling_) return;
  asio::post(executor(),
             [self = shared_from_this(), number = request_number_, callback = std::exchange(on_disconnect_, nullptr)] {
               if (self->handling_ && self->request_number_ == number) callback();
             });
}

void Session::on_disconnect(std::function<void()> callback) {
  on_disconnect_ = std::move(callback);
  if (disconnected()) fire_disconnect();
}

asio::awaitable<void> Session::respond(Response response) {
  if (answer_ != Answer::kNone || disconnected()) co_return;
  answer_ = Answer::kDone;
  status_ = response.status;
  if (hub_->draining && !is_open_path(head_.path)) keep_alive_ = false;
  const bool has_length = response.status != 204 && response.status != 304;
  ResponseHead head;
  head.status = response.status;
  head.content_type = has_length ? std::string_view(response.content_type) : std::string_view();
  if (has_length) head.content_length = response.body.size();
  head.keep_alive = keep_alive_;
  head.request_id = request_.id;
  head.headers = &response.headers;
  std::string bytes = response_head(head);
  if (has_length && request_.method != "HEAD") bytes += response.body;
  const bool sent = co_await connection_->send(std::move(bytes));
  if (!sent) lost();
}

asio::awaitable<bool> Session::begin_stream(Headers headers) {
  if (answer_ != Answer::kNone || disconnected()) co_return false;
  answer_ = Answer::kStreaming;
  status_ = 200;
  if (hub_->draining && !is_open_path(head_.path)) keep_alive_ = false;
  headers.emplace_back("Cache-Control", "no-cache");
  headers.emplace_back("X-Accel-Buffering", "no");  // proxies of the nginx family would hold events back
  ResponseHead head;
  head.content_type = "text/event-stream";
  head.chunked = head_.minor_version == 1;
  head.keep_alive = keep_alive_;
  head.request_id = request_.id;
  head.headers = &headers;
  const bool sent = co_await connection_->send(response_head(head));
  if (!sent) lost();
  co_return sent;
}

asio::awaitable<bool> Session::write(std::string bytes) {
  if (answer_ != Answer::kStreaming || disconnected()) {
    if (connection_->is_broken()) lost();
    co_return false;
  }
  if (bytes.empty() || request_.method == "HEAD") co_return true;
  if (head_.minor_version == 1) bytes = chunk(bytes);
  const bool sent = co_await connection_->send(std::move(bytes));
  if (!sent) lost();
  co_return sent;
}

asio::awaitable<void> Session::end_stream() {
  if (answer_ != Answer::kStreaming || disconnected()) co_return;
  if (head_.minor_version == 1 && request_.method != "HEAD") {
    const bool sent = co_await connection_->send(std::string(kLastChunk));
    if (!sent) co_return lost();
  }
  if (hub_->draining) keep_alive_ = false;  // its head was sent before; closing between requests is always allowed
  answer_ = Answer::kDone;
}

}  // namespace llorch::http
