#include "tools/interrupt.hpp"

#include <csignal>

namespace llorch::tools {
namespace {

volatile std::sig_atomic_t last_signal = 0;

void on_interrupt(int signal) {
  last_signal = signal;
}

}  // namespace

void watch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

int interrupted() noexcept {
  return last_signal;
}

}  // namespace llorch::tools
