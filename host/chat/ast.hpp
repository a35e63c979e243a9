// A parsed template: expressions that evaluate to values and statements that write output.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chat/value.hpp"

namespace llorch::chat {

struct Frame;

struct Expression {
  explicit Expression(std::uint32_t at_line) : line(at_line) {}
  virtual ~Expression() = default;
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;
  virtual Value evaluate(Frame& frame) const = 0;  ///< call it through evaluate(expression, frame)
  std::uint32_t line;
};
using ExpressionPtr = std::unique_ptr<const Expression>;

/// What a statement tells the loop around it.
enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

struct Statement {
  explicit Statement(std::uint32_t at_line) : line(at_line) {}
  virtual ~Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  virtual Flow execute(Frame& frame) const = 0;
  std::uint32_t line;
};
using Body = std::vector<std::unique_ptr<const Statement>>;

/// Counts the step and the level, and remembers the line.
Value evaluate(const Expression& expression, Frame& frame);
Flow execute(const Body& body, Frame& frame);

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_positional, more_named;  ///< *list and **dict
};

/// One step of a chain of filters, or a test: name(arguments).
struct Application {
  std::string name;
  CallArguments arguments;
};

// --- expressions (evaluate_expressions.cpp)

struct Constant : Expression {
  Constant(std::uint32_t at_line, Value of) : Expression(at_line), value(std::move(of)) {}
  Value evaluate(Frame& frame) const override;
  Value value;
};
struct Name : Expression {
  Name(std::uint32_t at_line, std::string of) : Expression(at_line), name(std::move(of)) {}
  Value evaluate(Frame& frame) const override;
  std::string name;
};
struct ListDisplay : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  std::vector<ExpressionPtr> items;
  ListKind kind = ListKind::kList;
};
struct DictDisplay : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
enum class UnaryOperator : std::uint8_t { kNot, kMinus, kPlus };
struct Unary : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  UnaryOperator op = UnaryOperator::kNot;
  ExpressionPtr operand;
};
enum class BinaryOperator : std::uint8_t { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
struct Binary : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  BinaryOperator op = BinaryOperator::kAdd;
  ExpressionPtr left, right;
};
/// `and` and `or`: the operand that decided.
struct Logical : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  bool is_and = true;
  ExpressionPtr left, right;
};
struct Concatenation : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  std::vector<ExpressionPtr> parts;
};
enum class Comparison : std::uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };
/// a < b < c, as in Python.
struct Comparisons : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
struct Conditional : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr condition, then, otherwise;  ///< otherwise may be null: undefined
};
struct Attribute : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr object;
  std::string name;
};
struct Item : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr object, key;
};
struct Slice : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr object, begin, end, step;  ///< the last three may be null
};
struct Filtered : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr subject;
  Application filter;
};
struct Tested : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr subject;
  Application test;
  bool negated = false;
};
struct Call : Expression {
  using Expression::Expression;
  Value evaluate(Frame& frame) const override;
  ExpressionPtr function;
  CallArguments arguments;
};

// --- statements (execute_statements.cpp)

/// What an assignment stores into: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::string name, attribute;  ///< attribute empty: a plain name
  std::vector<Target> parts;    ///< not empty: a tuple
  bool is_tuple = false;
};

struct Data : Statement {
  Data(std::uint32_t at_line, std::string of) : Statement(at_line), text(std::move(of)) {}
  Flow execute(Frame& frame) const override;
  std::string text;
};
struct Output : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  ExpressionPtr expression;
};
struct Set : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  Target target;
  ExpressionPtr value;
};
/// {% set x %}...{% endset %}
struct SetBlock : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  Target target;
  std::vector<Application> filters;
  Body body;
};
struct If : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  /// One run over `items`; recursive loops call it again.
  Flow run(Frame& frame, const Value& items, std::uint32_t nesting) const;
  Target target;
  ExpressionPtr items, condition;  ///< condition may be null
  bool recursive = false;
  Body body, otherwise;
};
struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  ///< may be null
};
/// {% macro %}, and the body of {% call %}.
struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};
struct Macro : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  MacroDefinition definition;
};
struct CallBlock : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  std::unique_ptr<const Call> call;
  MacroDefinition caller;
};
/// {% filter f %}, {% generation %} and {% with %}: a body with names of its own.
struct Block : Statement {
  using Statement::Statement;
  Flow execute(Frame& frame) const override;
  std::vector<Application> filters;
  std::vector<std::pair<Target, ExpressionPtr>> names;
  Body body;
};
struct Jump : Statement {
  Jump(std::uint32_t at_line, Flow to) : Statement(at_line), flow(to) {}
  Flow execute(Frame& frame) const override;
  Flow flow;
};

}  // namespace llorch::chat
