// The `loop` object of a for statement.
#pragma once

#include <memory>
#include <vector>

#include "chat/frame.hpp"

namespace llorch::chat {

class Loop : public Object, public std::enable_shared_from_this<Loop> {
 public:
  /// `node` outlives the rendering.
  Loop(const For& node, const std::shared_ptr<Scope>& scope, std::vector<Value> items, std::uint32_t nesting,
       Runtime& runtime);
  [[nodiscard]] std::string_view type_name() const override { return "LoopContext"; }
  [[nodiscard]] std::optional<std::size_t> length() const override { return count_; }
  [[nodiscard]] std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  [[nodiscard]] bool callable() const override { return true; }
  /// Recursion: runs the same for over other items.
  [[nodiscard]] Value call(Runtime& runtime, const Arguments& arguments) override;

  [[nodiscard]] std::size_t size() const { return count_; }
  /// Makes item `index` the current one.
  [[nodiscard]] const Value& advance_to(std::size_t index);
  /// Lets go of all values when the loop has ended: one of them could hold this object. What counts stays.
  void end() noexcept;

 private:
  [[nodiscard]] std::optional<Value> counter(std::string_view name) const;
  [[nodiscard]] bool changed(Runtime& runtime, const Arguments& arguments);

  const For& node_;
  std::shared_ptr<Scope> scope_;  // where the loop stands; set for recursive loops
  std::vector<Value> items_;
  std::size_t count_;
  std::size_t index_ = 0;
  std::uint32_t nesting_;
  std::vector<Value> last_changed_;
  Charge charge_;
};

}  // namespace llorch::chat
