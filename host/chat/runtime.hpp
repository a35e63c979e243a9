// What one rendering may use, and the failure that ends it. Templates come from strangers: every loop, byte and level
// of nesting is counted.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace llorch::chat {

struct RenderLimits {
  std::uint64_t steps = 10'000'000;                      ///< nodes evaluated, bytes handled at 64 a step, searched at 8
  std::size_t output_bytes = std::size_t{16} << 20;      ///< of the rendered text
  std::size_t memory_bytes = std::size_t{128} << 20;     ///< of all values alive at a time
  std::uint32_t depth = 400;                             ///< of nested expressions, statements and macro calls
  static constexpr std::uint32_t kMaxValueDepth = 64;    ///< lists within lists
  static constexpr std::size_t kMaxSource = 512 * 1024;  ///< bytes of a template
  static constexpr std::uint32_t kMaxSourceDepth = 100;  ///< nested levels, and operators in a row, of a template
  static constexpr std::int64_t kMaxRange = 100'000;     ///< numbers of one range(), as in jinja2's sandbox
};

/// Thrown inside of this room only: parse() and render() turn it into an Error. An interpreter that returned a Result
/// from each of its hundred small functions would hide the language behind error handling.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& message, std::uint32_t at_line = 0)
      : std::runtime_error(message), line(at_line), message_(message) {}
  /// The whole message: what() ends at the first NUL, which a template's own words may hold.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  std::uint32_t line;  ///< 0: where the evaluation stands

 private:
  std::string message_;
};

/// raise_exception(): the template itself refuses what it was given. Its message may be empty.
class Raised : public Failure {
 public:
  using Failure::Failure;
};

/// One of RenderLimits is reached.
class LimitReached : public Failure {
 public:
  using Failure::Failure;
};

[[noreturn]] void fail(const std::string& message);

/// Bytes that are alive. Outlives all Charges on it.
class Meter {
 public:
  explicit Meter(std::size_t limit) : limit_(limit) {}
  void take(std::size_t bytes);
  void give(std::size_t bytes) noexcept { used_ -= bytes; }
  /// Fails when `bytes` more would not fit; before something large is built.
  void check(std::size_t bytes) const;

 private:
  std::size_t used_ = 0, limit_;
};

/// A part of a meter, given back at the end of its life.
class Charge {
 public:
  Charge() = default;
  Charge(Meter& meter, std::size_t bytes) : meter_(&meter), bytes_(bytes) { meter.take(bytes); }
  Charge(Charge&& other) noexcept
      : meter_(std::exchange(other.meter_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(meter_, other.meter_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (meter_ != nullptr) meter_->give(bytes_);
  }
  void grow(std::size_t bytes) {
    if (meter_ == nullptr) return;
    meter_->take(bytes);
    bytes_ += bytes;
  }

 private:
  Meter* meter_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Something that can refer to itself through values: emptied at the end of the rendering, so that it does not leak.
class Clearable {
 public:
  virtual ~Clearable() = default;
  virtual void clear() noexcept = 0;
};

class Runtime {
 public:
  Runtime(const RenderLimits& limits, std::chrono::system_clock::time_point now)
      : meter(limits.memory_bytes), now_(now), limits_(limits) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  void spend(std::uint64_t steps = 1) {
    if (steps > limits_.steps - steps_) out_of_steps();
    steps_ += steps;
  }
  /// For work over bytes or items that no node counts.
  void spend_bytes(std::size_t bytes) { spend(bytes / 64 + 1); }
  void keep(std::shared_ptr<Clearable> object);
  [[nodiscard]] std::chrono::system_clock::time_point now() const { return now_; }
  [[nodiscard]] const RenderLimits& limits() const { return limits_; }

  /// One level of evaluation, at a line of the template.
  class Level {
   public:
    Level(Runtime& runtime, std::uint32_t line) : runtime_(runtime), outer_line_(runtime.line) {
      runtime_.spend();
      if (runtime_.depth_ >= runtime_.limits_.depth) runtime_.too_deep();
      ++runtime_.depth_;
      runtime_.line = line;
    }
    ~Level() {
      --runtime_.depth_;
      if (std::uncaught_exceptions() == 0) runtime_.line = outer_line_;  // a failure keeps the line it was born at
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Runtime& runtime_;
    std::uint32_t outer_line_;
  };

  Meter meter;
  std::uint32_t line = 1;  ///< where the evaluation stands, or where it failed

 private:
  [[noreturn]] void out_of_steps() const;
  [[noreturn]] void too_deep() const;

  std::chrono::system_clock::time_point now_;
  RenderLimits limits_;
  std::uint64_t steps_ = 0;
  std::uint32_t depth_ = 0;
  std::vector<std::shared_ptr<Clearable>> kept_;
};

}  // namespace llorch::chat
