// Names in scope, and where output goes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/ast.hpp"
#include "chat/runtime.hpp"
#include "chat/value.hpp"

namespace llorch::chat {

/// The names of one loop iteration, macro call or block; look-ups go outwards.
class Scope : public Clearable {
 public:
  explicit Scope(std::shared_ptr<Scope> outer) : outer_(std::move(outer)) {}
  [[nodiscard]] const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
  void clear() noexcept override { names_.clear(); }
  [[nodiscard]] const std::shared_ptr<Scope>& outer() const { return outer_; }

 private:
  std::vector<std::pair<std::string, Value>> names_;  // few: searched from front to back
  std::shared_ptr<Scope> outer_;
};

struct Frame {
  Runtime& runtime;
  std::shared_ptr<Scope> scope;
  TextBuilder& out;
};

/// Runs a body with names of its own; gives what it wrote.
[[nodiscard]] Value capture(const Body& body, Frame& frame, Flow* flow = nullptr);
[[nodiscard]] Value apply_filter(const Application& filter, const Value& subject, Frame& frame);
[[nodiscard]] Arguments evaluate_arguments(const CallArguments& arguments, Frame& frame);
void assign(const Target& target, const Value& value, Frame& frame);
/// A macro that sees the names of the frame it was defined in.
[[nodiscard]] Value make_macro(const MacroDefinition& definition, Frame& frame);

}  // namespace llorch::chat
