// SIGINT and SIGTERM for commands that end their work in order instead of dying.
#pragma once

namespace llorch::tools {

/// From here on SIGINT and SIGTERM only leave a mark. Once, from the main thread.
void watch_interrupts();

/// The signal that came since, 0 if none did. Any thread.
[[nodiscard]] int interrupted() noexcept;

}  // namespace llorch::tools
