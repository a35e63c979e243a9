#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "chat/frame.hpp"
#include "chat/loop.hpp"
#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_.get()) {
    for (const auto& [known, value] : scope->names_) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [known, old] : names_) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  names_.emplace_back(name, std::move(value));
}

Flow execute(const Body& body, Frame& frame) {
  for (const auto& statement : body) {
    const Runtime::Level level(frame.runtime, statement->line);
    const Flow flow = statement->execute(frame);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Value capture(const Body& body, Frame& frame, Flow* flow) {
  TextBuilder out(frame.runtime);
  Frame inner{frame.runtime, std::make_shared<Scope>(frame.scope), out};
  const Flow ended = execute(body, inner);
  if (flow != nullptr) *flow = ended;
  return out.value();
}

void assign(const Target& target, const Value& value, Frame& frame) {
  if (target.is_tuple) {
    require_defined(value);
    const std::vector<Value> parts = iterate(frame.runtime, value);
    if (parts.size() != target.parts.size()) {
      fail(fmt::format("expected {} values to assign, found {}", target.parts.size(), parts.size()));
    }
    for (std::size_t i = 0; i < parts.size(); ++i)
      assign(target.parts[i], parts[i], frame);
  } else if (target.attribute.empty()) {
    frame.scope->set(target.name, value);
  } else {
    const Value* holder = frame.scope->find(target.name);
    auto* space = holder == nullptr ? nullptr : dynamic_cast<Namespace*>(holder->object());
    if (space == nullptr) {
      fail(fmt::format("cannot assign to {}.{}: {} is not a namespace", target.name, target.attribute, target.name));
    }
    space->set(target.attribute, value);
  }
}

namespace {

void write(Frame& frame, const Text& text) {
  frame.out.append(text);
  if (frame.out.text().size() <= frame.runtime.limits().output_bytes) return;
  fail(fmt::format("the rendered text exceeds {} bytes", frame.runtime.limits().output_bytes));
}

// Ends a loop however it is left.
class LoopEnd {
 public:
  explicit LoopEnd(Loop& loop) : loop_(loop) {}
  ~LoopEnd() { loop_.end(); }
  LoopEnd(const LoopEnd&) = delete;
  LoopEnd& operator=(const LoopEnd&) = delete;

 private:
  Loop& loop_;
};

Value apply_filters(const std::vector<Application>& filters, Value value, Frame& frame) {
  for (const Application& filter : filters)
    value = apply_filter(filter, value, frame);
  return value;
}

}  // namespace

Flow Data::execute(Frame& frame) const {
  frame.out.append(text);
  return Flow::kNext;
}

Flow Output::execute(Frame& frame) const {
  write(frame, to_text(frame.runtime, evaluate(*expression, frame)));
  return Flow::kNext;
}

Flow Set::execute(Frame& frame) const {
  assign(target, evaluate(*value, frame), frame);
  return Flow::kNext;
}

Flow SetBlock::execute(Frame& frame) const {
  Flow flow = Flow::kNext;
  const Value text = capture(body, frame, &flow);
  assign(target, apply_filters(filters, text, frame), frame);
  return flow;
}

Flow If::execute(Frame& frame) const {
  for (const auto& [condition, then] : branches) {
    if (truth(evaluate(*condition, frame))) return llorch::chat::execute(then, frame);
  }
  return llorch::chat::execute(otherwise, frame);
}

Flow For::execute(Frame& frame) const {
  return run(frame, evaluate(*items, frame), 0);
}

Flow For::run(Frame& frame, const Value& over, std::uint32_t nesting) const {
  Runtime& runtime = frame.runtime;
  std::vector<Value> values = iterate(runtime, over);
  if (condition) {
    std::vector<Value> chosen;
    for (Value& value : values) {
      Frame inner{runtime, std::make_shared<Scope>(frame.scope), frame.out};
      assign(target, value, inner);
      if (truth(evaluate(*condition, inner))) chosen.push_back(std::move(value));
    }
    values = std::move(chosen);
  }
  if (values.empty()) {
    Frame inner{runtime, std::make_shared<Scope>(frame.scope), frame.out};
    return llorch::chat::execute(otherwise, inner);
  }
  const auto loop = std::make_shared<Loop>(*this, frame.scope, std::move(values), nesting, runtime);
  const LoopEnd end(*loop);
  for (std::size_t i = 0; i < loop->size(); ++i) {
    runtime.spend();
    Frame inner{runtime, std::make_shared<Scope>(frame.scope), frame.out};
    inner.scope->set("loop", ObjectRef(loop));
    assign(target, loop->advance_to(i), inner);
    if (llorch::chat::execute(body, inner) == Flow::kBreak) break;
  }
  return Flow::kNext;
}

Flow Macro::execute(Frame& frame) const {
  frame.scope->set(definition.name, make_macro(definition, frame));
  return Flow::kNext;
}

Flow CallBlock::execute(Frame& frame) const {
  const Value function = evaluate(*call->function, frame);
  Arguments arguments = evaluate_arguments(call->arguments, frame);
  arguments.named.emplace_back("caller", make_macro(caller, frame));
  write(frame, to_text(frame.runtime, call_value(frame.runtime, function, arguments)));
  return Flow::kNext;
}

Flow Block::execute(Frame& frame) const {
  Frame inner{frame.runtime, std::make_shared<Scope>(frame.scope), frame.out};
  std::vector<Value> values;
  for (const auto& [target, expression] : names)
    values.push_back(evaluate(*expression, frame));
  for (std::size_t i = 0; i < values.size(); ++i)
    assign(names[i].first, values[i], inner);
  if (filters.empty()) return llorch::chat::execute(body, inner);
  Flow flow = Flow::kNext;
  const Value text = capture(body, inner, &flow);
  write(frame, to_text(frame.runtime, apply_filters(filters, text, frame)));
  return flow;
}

Flow Jump::execute(Frame&) const {
  return flow;
}

}  // namespace llorch::chat
