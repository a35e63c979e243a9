// The life of a serving worker: open the port, load the model, serve, drain.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "api/worker.hpp"
#include "config/config.hpp"
#include "http/router.hpp"
#include "http/server.hpp"
#include "tools/load_model.hpp"

namespace llorch::app {

/// All members on the main thread, which is the I/O thread, apart from load().
class WorkerProcess {
 public:
  /// `reread` resolves the configuration anew; SIGHUP asks for it.
  WorkerProcess(config::Config config, const std::string& version, std::function<Result<config::Resolved>()> reread);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Opens the port; /health says "loading" from then on. Fails when the port is taken or the key file cannot be read.
  [[nodiscard]] Result<void> open();
  /// Loads the model in the background and serves until a signal has been obeyed. Returns the exit code.
  [[nodiscard]] int run();

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  void load();  // on the loader's thread
  [[nodiscard]] Result<void> choose_chat_template(const tools::LoadedModel& model, api::Backend& backend) const;
  void loaded(Result<api::Backend> backend);
  void wait_for_signals();
  void wait_for_hang_up();
  void reload() const;
  void drain(int signal);
  void look_whether_idle();
  void give_up();

  // The order matters: coroutines that are suspended when the I/O context dies still refer to the worker.
  config::Config config_;
  std::function<Result<config::Resolved>()> reread_;
  api::Worker worker_;
  boost::asio::io_context io_{1};
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  boost::asio::signal_set signals_{io_}, hang_up_{io_};
  boost::asio::steady_timer deadline_{io_}, poll_{io_};
  std::thread loader_;
  bool engine_idle_ = false;
  bool gave_up_ = false;     // the shutdown timeout has passed
  bool announcing_ = false;  // the ready callback has not been delivered yet
  int exit_code_ = 0;
};

}  // namespace llorch::app
