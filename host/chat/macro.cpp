// Macros, and the bodies of call blocks, as callable values.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "chat/frame.hpp"

namespace llorch::chat {
namespace {

class MacroObject : public Object {
 public:
  MacroObject(const MacroDefinition& definition, Frame& frame)
      : definition_(definition), scope_(frame.scope), charge_(frame.runtime.meter, sizeof(MacroObject)) {}

  [[nodiscard]] std::string_view type_name() const override { return "Macro"; }
  [[nodiscard]] bool callable() const override { return true; }
  [[nodiscard]] std::string repr(Runtime&) const override { return fmt::format("<Macro '{}'>", definition_.name); }

  [[nodiscard]] std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "name") return make_text(runtime, definition_.name);
    if (name == "catch_varargs") return Value(definition_.uses_varargs);
    if (name == "catch_kwargs") return Value(definition_.uses_kwargs);
    if (name == "caller") return Value(definition_.uses_caller);
    if (name != "arguments") return std::nullopt;
    std::vector<Value> names;
    for (const Parameter& parameter : definition_.parameters)
      names.push_back(make_text(runtime, parameter.name));
    return make_list(runtime, std::move(names), ListKind::kTuple);
  }

  [[nodiscard]] Value call(Runtime& runtime, const Arguments& arguments) override {
    const Runtime::Level level(runtime, runtime.line);
    TextBuilder out(runtime);
    Frame frame{runtime, std::make_shared<Scope>(scope_), out};
    bind_parameters(frame, arguments);
    bind_rest(frame, arguments);
    static_cast<void>(execute(definition_.body, frame));
    return out.value();
  }

 private:
  [[nodiscard]] bool has_parameter(std::string_view name) const {
    return std::any_of(definition_.parameters.begin(), definition_.parameters.end(),
                       [&](const Parameter& parameter) { return parameter.name == name; });
  }

  void bind_parameters(Frame& frame, const Arguments& arguments) const {
    for (std::size_t i = 0; i < definition_.parameters.size(); ++i) {
      const Parameter& parameter = definition_.parameters[i];
      const Value* given = i < arguments.positional.size() ? &arguments.positional[i] : nullptr;
      for (const auto& [name, value] : arguments.named) {
        if (name != parameter.name) continue;
        if (given != nullptr) fail(fmt::format("macro {}: got two values for '{}'", definition_.name, name));
        given = &value;
      }
      if (given != nullptr) {
        frame.scope->set(parameter.name, *given);
      } else if (parameter.otherwise) {
        frame.scope->set(parameter.name, evaluate(*parameter.otherwise, frame));
      } else {
        frame.scope->set(parameter.name, undefined(fmt::format("parameter '{}' was not provided", parameter.name)));
      }
    }
  }

  // What no parameter takes: varargs, kwargs, caller.
  void bind_rest(Frame& frame, const Arguments& arguments) const {
    const std::size_t count = definition_.parameters.size();
    if (arguments.positional.size() > count && !definition_.uses_varargs) {
      fail(fmt::format("macro {}: expected at most {} arguments, found {}", definition_.name, count,
                       arguments.positional.size()));
    }
    if (definition_.uses_varargs) {
      const auto begin = std::min(count, arguments.positional.size());
      frame.scope->set("varargs", make_list(frame.runtime,
                                            {arguments.positional.begin() + static_cast<std::ptrdiff_t>(begin),
                                             arguments.positional.end()},
                                            ListKind::kTuple));
    }
    if (definition_.uses_caller && !has_parameter("caller")) frame.scope->set("caller", undefined("No caller defined"));
    std::vector<std::pair<Value, Value>> rest;
    for (const auto& [name, value] : arguments.named) {
      if (has_parameter(name)) continue;
      if (definition_.uses_caller && name == "caller") {
        frame.scope->set("caller", value);
      } else if (definition_.uses_kwargs && name != "caller") {
        rest.emplace_back(make_text(frame.runtime, name), value);
      } else {
        fail(fmt::format("macro {}: has no parameter '{}'", definition_.name, name));
      }
    }
    if (definition_.uses_kwargs) frame.scope->set("kwargs", make_dict(frame.runtime, std::move(rest)));
  }

  const MacroDefinition& definition_;
  std::shared_ptr<Scope> scope_;  // of the definition; kept by the runtime, which breaks the cycle through it
  Charge charge_;
};

}  // namespace

Value make_macro(const MacroDefinition& definition, Frame& frame) {
  for (std::shared_ptr<Scope> scope = frame.scope; scope != nullptr; scope = scope->outer())
    frame.runtime.keep(scope);
  return ObjectRef(std::make_shared<MacroObject>(definition, frame));
}

}  // namespace llorch::chat
