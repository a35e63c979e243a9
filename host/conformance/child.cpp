#include "conformance/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>

#include "conformance/rule.hpp"

namespace llorch::conformance {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close_end(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

void write_all(int file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

constexpr std::size_t kLongestText = 8192;
constexpr char kEnd = '\0';

/// The verdict as one letter, then the text.
std::string answer_of(const std::function<std::string()>& check) {
  try {
    return 'P' + check();
  } catch (const NotApplicable& reason) {
    return 'S' + std::string(reason.what());
  } catch (const Broken& reason) {
    return 'F' + std::string(reason.what());
  } catch (const std::exception& error) {
    return fmt::format("Fthe check itself failed: {}", error.what());
  } catch (...) {
    return "Fthe check itself failed with an unknown exception";
  }
}

[[noreturn]] void be_the_child(const std::function<std::string()>& check, Pipe& answer, Pipe& errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(errors.write_end, STDERR_FILENO);
  Pipe::close_end(errors.write_end);
  std::string text = answer_of(check).substr(0, kLongestText);
  std::replace(text.begin(), text.end(), kEnd, ' ');
  write_all(answer.write_end, text + kEnd);
  ::_exit(0);  // no destructors: whatever the plugin left behind ends here
}

/// Reads what is there; false at the end of the stream.
bool take(int file, std::string& out, std::size_t keep) {
  std::array<char, 4096> buffer{};
  const ssize_t n = ::read(file, buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  out.append(buffer.data(), static_cast<std::size_t>(n));
  if (out.size() > keep) out.erase(0, out.size() - keep);
  return true;
}

std::string last_words(const std::string& errors) {
  std::size_t end = errors.find_last_not_of(" \n\r");
  if (end == std::string::npos) return {};
  const std::size_t begin = errors.rfind('\n', end);
  return fmt::format(" (\"{}\")", errors.substr(begin == std::string::npos ? 0 : begin + 1, end - begin));
}

Outcome outcome_of(const std::string& answer, const std::string& errors, int status) {
  if (!answer.empty() && answer.back() == kEnd) {
    const Verdict verdict = answer[0] == 'P'   ? Verdict::kPassed
                            : answer[0] == 'S' ? Verdict::kSkipped
                                               : Verdict::kFailed;
    return {verdict, answer.substr(1, answer.size() - 2)};
  }
  if (WIFSIGNALED(status)) {
    return {Verdict::kFailed, fmt::format("the plugin crashed: signal {}, {}{}", WTERMSIG(status),
                                          ::strsignal(WTERMSIG(status)), last_words(errors))};
  }
  return {Verdict::kFailed,
          fmt::format("the plugin ended the process with exit code {}{}", WEXITSTATUS(status), last_words(errors))};
}

}  // namespace

Outcome run_in_child(const std::function<std::string()>& check, std::chrono::milliseconds limit) {
  Pipe answer;
  Pipe errors;
  const pid_t child = ::fork();
  if (child < 0) {
    return {Verdict::kFailed, fmt::format("cannot fork: {}", std::generic_category().message(errno))};
  }
  if (child == 0) be_the_child(check, answer, errors);
  ::setpgid(child, child);  // in both, so that it holds before either goes on
  Pipe::close_end(answer.write_end);
  Pipe::close_end(errors.write_end);

  constexpr std::size_t kKept = 64 * 1024;
  std::string text;
  std::string error_text;
  const auto deadline = Clock::now() + limit;
  bool late = false;
  // Without an answer, the end of its stream is the end of the child.
  while (text.empty() || text.back() != kEnd) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      late = true;
      break;
    }
    pollfd files[2] = {{answer.read_end, POLLIN, 0}, {errors.read_end, POLLIN, 0}};
    const int ready = ::poll(files, errors.read_end >= 0 ? 2 : 1, static_cast<int>(std::min<long long>(left, 60000)));
    if (ready < 0 && errno != EINTR) break;
    if (ready <= 0) continue;
    if (errors.read_end >= 0 && files[1].revents != 0 && !take(errors.read_end, error_text, kKept))
      Pipe::close_end(errors.read_end);
    if (files[0].revents != 0 && !take(answer.read_end, text, kKept)) break;
  }
  ::kill(-child, SIGKILL);  // the child has answered, or is late; so are those that it started
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) return {Verdict::kFailed, fmt::format("no answer within {} ms: it hangs", limit.count())};
  return outcome_of(text, error_text, status);
}

}  // namespace llorch::conformance
