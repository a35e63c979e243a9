#include "app/worker_process.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <new>
#include <string_view>

#include "api/routes.hpp"
#include "app/ready_callback.hpp"
#include "base/text.hpp"
#include "chat/built_in_templates.hpp"
#include "chat/choose_template.hpp"
#include "tools/command.hpp"
#include "tools/kv_type.hpp"

namespace llorch::app {
namespace {

// The first line of the file without the blanks around it: no client can send those. It is never logged.
Result<std::string> read_api_key(const std::string& path) {
  std::ifstream file(path);
  if (!file) return make_error(ErrorCode::kIo, path + ": cannot open (api_key_file)");
  std::string line;
  std::getline(file, line);
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  const std::string key = line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
  if (key.empty()) {
    return make_error(ErrorCode::kIo, path + ": expected an API key in the first line, found none (api_key_file)");
  }
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  if (!std::all_of(key.begin(), key.end(), visible)) {
    return make_error(ErrorCode::kInvalidArgument,
                      path + ": expected visible ASCII characters only in the API key (api_key_file)");
  }
  return key;
}

http::ServerOptions server_options(const config::Config& config) {
  http::ServerOptions options;
  options.address = config.host;
  options.port = config.port;
  options.max_body_bytes = config.max_body_bytes;
  options.request_deadline = std::chrono::seconds(config.request_timeout);
  options.keep_alive_deadline = std::chrono::seconds(config.keep_alive_timeout);
  options.write_deadline = std::chrono::seconds(config.write_timeout);
  options.max_connections = config.max_connections;
  return options;
}

}  // namespace

WorkerProcess::WorkerProcess(config::Config config, const std::string& version,
                             std::function<Result<config::Resolved>()> reread)
    : config_(std::move(config)),
      reread_(std::move(reread)),
      worker_({config_.worker_id, tools::model_name(config_), version}) {
  api::fill(router_, worker_);
}

WorkerProcess::~WorkerProcess() {
  if (loader_.joinable()) loader_.join();
  worker_.stop();
}

Result<void> WorkerProcess::open() {
  http::ServerOptions options = server_options(config_);
  if (!config_.api_key_file.empty()) {
    Result<std::string> key = read_api_key(config_.api_key_file);
    if (key.has_error()) return key.error();
    options.api_key = std::move(key.value());
  }
  Result<std::unique_ptr<http::Server>> server = http::Server::create(io_, router_, options);
  if (server.has_error()) return server.error();
  server_ = std::move(server.value());
  return {};
}

int WorkerProcess::run() {
  std::signal(SIGPIPE, SIG_IGN);
  wait_for_signals();
  hang_up_.add(SIGHUP);
  wait_for_hang_up();
  server_->start();
  loader_ = std::thread([this] { load(); });
  io_.run();
  // From here on a signal does what it does by default: there is nobody left to answer it.
  signals_.clear();
  hang_up_.clear();
  if (gave_up_ || announcing_) {
    // A forward pass that does not return, or a name server that does not answer, must not keep the process.
    std::cout.flush();
    spdlog::shutdown();
    std::_Exit(exit_code_);
  }
  return exit_code_;
}

// On a thread of its own, where nobody else would catch what libraries throw when memory or threads run out.
void WorkerProcess::load() {
  const auto make_backend = [&]() -> Result<api::Backend> {
    const Result<tools::LoadedModel> model = tools::load_model(config_);
    if (model.has_error()) return model.error();
    const Result<std::shared_ptr<engine::Engine>> engine = tools::create_engine(*model, config_);
    if (engine.has_error()) return engine.error();
    api::Backend backend{*engine, model->tokenizer, model->plugin->info().id, config_.slots + config_.queue,
                         config_.queue};
    const std::vector<llorch_device> devices = model->plugin->devices();
    if (config_.device < devices.size()) {
      backend.device = valid_utf8(devices[config_.device].id);
      backend.device_name = valid_utf8(devices[config_.device].name);
    }
    const Result<void> chat = choose_chat_template(*model, backend);
    if (chat.has_error()) return chat.error();
    return backend;
  };
  Result<api::Backend> result = [&]() -> Result<api::Backend> {
    try {
      return make_backend();
    } catch (const std::bad_alloc&) {
      return make_error(ErrorCode::kOutOfMemory, config_.model + ": no memory left while loading the model");
    } catch (const std::exception& error) {
      return make_error(ErrorCode::kInternal, config_.model + ": cannot load the model: " + error.what());
    }
  }();
  boost::asio::post(io_, [this, result = std::move(result)]() mutable { loaded(std::move(result)); });
}

// A template that was asked for must work; a model whose own cannot be read still serves the other routes.
Result<void> WorkerProcess::choose_chat_template(const tools::LoadedModel& model, api::Backend& backend) const {
  auto chosen = chat::choose_template(*model.file, *model.tokenizer, config_.chat_template);
  if (chosen.has_value()) {
    backend.chat = std::move(*chosen);
    const chat::TemplateFacts& facts = backend.chat->facts();
    if (facts.guessed) {
      spdlog::warn(
          "chat template: {}: a model trained for chats answers badly in it; --chat-template gives the right one: a "
          "file or one of {} (plain: this one, without the warning)",
          facts.origin, chat::built_in_names());
    } else {
      spdlog::info("chat template: {}", facts.origin);
    }
    const std::string& problem = backend.chat->problem();
    if (!problem.empty())
      spdlog::warn("/v1/chat/completions may not work: the chat template was tried, and {}", problem);
    return {};
  }
  if (!config_.chat_template.empty()) return chosen.error();
  backend.chat_problem = chosen.error().message;
  spdlog::warn("/v1/chat/completions will not work: {}; --chat-template gives another template", backend.chat_problem);
  return {};
}

void WorkerProcess::loaded(Result<api::Backend> backend) {
  if (backend.has_error()) {
    exit_code_ = tools::fail(backend.error().message);
    server_->stop();
    io_.stop();
    return;
  }
  worker_.set_ready(std::move(backend.value()));
  const std::string uri = public_uri(config_.host, server_->port());
  const std::string kv = tools::to_string(tools::kv_type_names(config_));
  const api::Backend& ready = *worker_.backend();
  spdlog::info("ready: {} with {} on {} ({}), context {}{}, at {}", worker_.identity().model_name, ready.plugin,
               ready.device, ready.device_name, ready.engine->context_length(),
               kv == "default" ? "" : ", KV cache " + kv, uri);
  if (!config_.callback_url.empty()) {
    announcing_ = true;
    boost::asio::co_spawn(io_, announce_ready(worker_, config_.callback_url, uri),
                          [this](const std::exception_ptr& error) {
                            announcing_ = false;
                            if (error) std::rethrow_exception(error);
                          });
  }
}

void WorkerProcess::wait_for_signals() {
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    drain(signal);
    signals_.async_wait([](const boost::system::error_code& again, int second) {
      if (again) return;
      spdlog::warn("second signal: ending at once");
      std::_Exit(128 + second);
    });
  });
}

void WorkerProcess::wait_for_hang_up() {
  hang_up_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    reload();
    wait_for_hang_up();
  });
}

// Model, port and the like are made once; the log's level is what can change while the worker serves.
void WorkerProcess::reload() const {
  const Result<config::Resolved> fresh = reread_();
  if (fresh.has_error()) {
    spdlog::error("SIGHUP: {}; the configuration stays as it was", fresh.error().message);
    return;
  }
  tools::set_up_logging(fresh->config.log_level);
  spdlog::info("SIGHUP: log level is {}; other settings take effect with the next start", fresh->config.log_level);
}

void WorkerProcess::drain(int signal) {
  spdlog::info("signal {}: finishing what runs, for at most {} s", signal, config_.shutdown_timeout);
  const bool was_loading = worker_.status() == api::Status::kLoading;
  worker_.set_draining();
  if (was_loading) std::_Exit(0);  // nothing was accepted, and loading cannot be interrupted
  server_->drain();
  worker_.backend()->engine->drain([this] {
    boost::asio::post(io_, [this] {
      engine_idle_ = true;
      look_whether_idle();
    });
  });
  deadline_.expires_after(std::chrono::seconds(config_.shutdown_timeout));
  deadline_.async_wait([this](const boost::system::error_code& error) {
    if (!error) give_up();
  });
}

// The engine may be done while the last answers are still on their way.
void WorkerProcess::look_whether_idle() {
  if (!engine_idle_) return;
  if (server_->open_connections() == 0) {
    spdlog::info("drained");
    server_->stop();
    io_.stop();
    return;
  }
  poll_.expires_after(std::chrono::milliseconds(5));
  poll_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look_whether_idle();
  });
}

void WorkerProcess::give_up() {
  spdlog::warn("shutdown timeout: cancelling what still runs");
  gave_up_ = true;
  worker_.backend()->engine->cancel_all();
  // Every stream gets its last event before the connections are closed.
  deadline_.expires_after(std::chrono::seconds(1));
  deadline_.async_wait([this](const boost::system::error_code&) {
    server_->stop();
    io_.stop();
  });
}

}  // namespace llorch::app
