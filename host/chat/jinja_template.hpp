// A template in the Jinja language as chat templates use it: jinja2's grammar and meaning in the environment that
// Hugging Face transformers gives them (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox).
// docs/chat_templates.md lists what is there.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "chat/runtime.hpp"
#include "chat/value.hpp"

namespace llorch::chat {

struct RenderOptions {
  RenderLimits limits;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();  ///< for strftime_now
};

/// Names that the template sees, made by free_text() and its like or from_json().
using Context = std::vector<std::pair<std::string, Value>>;

/// Immutable. [any-thread]
class JinjaTemplate {
 public:
  /// Errors (kBadModel) name the line, what was expected and what was found.
  [[nodiscard]] static Result<JinjaTemplate> parse(std::string source);
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;
  ~JinjaTemplate();

  /// kInvalidArgument when the template itself refuses the context (raise_exception), with its message; kUnsupported
  /// when it reaches a limit, kBadModel for its faults, both with the line. Time and memory are bounded by the limits.
  [[nodiscard]] Result<Text> render(const Context& context, const RenderOptions& options = {}) const;
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  struct Tree;
  JinjaTemplate(std::string source, std::unique_ptr<const Tree> tree);
  std::string source_;
  std::unique_ptr<const Tree> tree_;
};

}  // namespace llorch::chat
