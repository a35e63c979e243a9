// The real llorch-host as a child process: started, spoken to, signalled, and never left behind.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/raw_http_client.hpp"

namespace llorch::testing {

/// A program that runs with its standard output and error in pipes. The environment is empty but for what is given, so
/// that nothing of the tester's machine configures it.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> arguments, std::vector<std::string> environment = {},
                        const std::string& input = {}) {
    std::array<std::array<int, 2>, 3> pipes{};
    for (auto& one : pipes) {
      if (::pipe2(one.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][0], 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2);
    std::vector<char*> argv = pointers(arguments);
    std::vector<char*> envp = pointers(environment);
    const int failed = ::posix_spawn(&pid_, arguments[0].c_str(), &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipes[0][0]);
    ::close(pipes[1][1]);
    ::close(pipes[2][1]);
    out_ = pipes[1][0];
    err_ = pipes[2][0];
    const bool written =
        failed == 0 && ::write(pipes[0][1], input.data(), input.size()) == static_cast<ssize_t>(input.size());
    ::close(pipes[0][1]);
    if (!written) throw std::runtime_error("cannot start " + arguments[0]);
  }
  ~ChildProcess() {
    if (!status_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    ::close(err_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void signal(int number) const { ::kill(pid_, number); }

  /// The exit code (128 + n when signal n killed it), or nothing when it still runs after the patience. Keeps reading
  /// its output meanwhile, so that a full pipe does not stop it.
  std::optional<int> wait(std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!status_ && std::chrono::steady_clock::now() < deadline) {
      read_available(std::chrono::milliseconds(20));
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) != pid_) continue;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      while (read_available(std::chrono::milliseconds(0))) {
      }
    }
    return status_;
  }

  /// Waits until standard output holds `text`; false when the program ends or the patience does.
  bool wait_for_output(const std::string& text) { return wait_for(output, text); }
  /// The same for standard error.
  bool wait_for_errors(const std::string& text) { return wait_for(errors, text); }

  std::string output, errors;  ///< what has been read of standard output and standard error

 private:
  bool wait_for(const std::string& where, const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (where.find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      if (!read_available(std::chrono::milliseconds(20)) && ended()) return where.find(text) != std::string::npos;
    }
    return true;
  }

  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (std::string& text : texts)
      list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  }

  bool ended() {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
  }

  // True when something was read.
  bool read_available(std::chrono::milliseconds patience) {
    std::array<pollfd, 2> entries{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), static_cast<int>(patience.count())) <= 0) return false;
    bool any = false;
    for (const pollfd& entry : entries) {
      if ((entry.revents & POLLIN) == 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t count = ::read(entry.fd, buffer.data(), buffer.size());
      if (count <= 0) continue;
      (entry.fd == out_ ? output : errors).append(buffer.data(), static_cast<std::size_t>(count));
      any = true;
    }
    if (!any) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // both ends closed: poll returns at once
    return any;
  }

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::optional<int> status_;
};

inline std::string host_binary() {
  return LLORCH_BINARY_DIR "/bin/llorch-host";
}
inline std::string tiny_model() {
  return LLORCH_SOURCE_DIR "/models/tiny-gpt2";
}

/// A worker on a free port, ready to serve.
class WorkerProcess {
 public:
  /// On models/tiny-gpt2.
  explicit WorkerProcess(const std::vector<std::string>& flags = {}, const std::vector<std::string>& environment = {})
      : WorkerProcess(tiny_model(), "gpt2_cpu", flags, environment) {}
  WorkerProcess(const std::string& model, const std::string& plugin, const std::vector<std::string>& flags,
                const std::vector<std::string>& environment = {})
      : process(command(model, plugin, flags), environment) {
    const std::string announcement = "listening on http://127.0.0.1:";
    if (!process.wait_for_output("\n")) {
      process.wait(std::chrono::seconds(1));
      throw std::runtime_error("llorch-host did not start: " + process.errors);
    }
    const std::size_t at = process.output.find(announcement);
    if (at == std::string::npos) throw std::runtime_error("unexpected output: " + process.output);
    port = static_cast<std::uint16_t>(std::strtoul(process.output.c_str() + at + announcement.size(), nullptr, 10));
    wait_until_ready();
  }

  [[nodiscard]] RawHttpClient connect() const { return RawHttpClient(port); }
  [[nodiscard]] RawResponse get(const std::string& path) const {
    return RawHttpClient(port).exchange("GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  }
  /// Status of a GET; 0 when the worker does not take connections any more.
  [[nodiscard]] unsigned get_status_or_zero(const std::string& path) const {
    try {
      return get(path).status;
    } catch (const std::runtime_error&) {
      return 0;
    }
  }
  static std::string post_text(const std::string& path, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  }
  [[nodiscard]] RawResponse post(const std::string& path, const std::string& body) const {
    RawHttpClient client(port);
    client.set_patience(std::chrono::seconds(120));
    return client.exchange(post_text(path, body));
  }
  /// The value of the line of /metrics that begins with `series` and a space.
  [[nodiscard]] double metric(const std::string& series) const {
    const std::string text = "\n" + get("/metrics").body;
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) throw std::runtime_error("no metric " + series);
    return std::strtod(text.c_str() + at + series.size() + 2, nullptr);
  }

  ChildProcess process;
  std::uint16_t port = 0;

 private:
  static std::vector<std::string> command(const std::string& model, const std::string& plugin,
                                          const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {host_binary(), "serve", "--model", model, "--plugin", plugin, "--port", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return arguments;
  }

  void wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        if (get("/readyz").status == 200) return;
      } catch (const std::runtime_error&) {  // the worker has ended
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    process.wait(std::chrono::seconds(1));
    throw std::runtime_error("llorch-host did not become ready: " + process.errors);
  }
};

}  // namespace llorch::testing
