// The parser's two halves: expressions, and the statements that hold them.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "chat/ast.hpp"
#include "chat/lexer.hpp"

namespace llorch::chat {

/// Recursive descent over the tokens. Every level of nesting is counted, so that no source can exhaust the stack, and
/// so is the height of chains (a+a+a...), which become deep trees.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  ExpressionPtr parse_expression(bool with_conditional = true);
  /// Expressions with commas between are a tuple; ends before `end_name` too.
  ExpressionPtr parse_tuple(bool with_conditional, std::string_view end_name = {}, bool in_parentheses = false);
  Application parse_application();
  CallArguments parse_arguments();

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool skip(std::string_view op);
  bool skip_name(std::string_view name);
  void expect(std::string_view op);
  std::string expect_name(std::string_view what);
  [[noreturn]] void fail_expected(std::string_view expected) const;

  /// One level of nesting, for as long as it lives.
  class Nested {
   public:
    explicit Nested(ExpressionParser& parser);
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    ExpressionParser& parser_;
  };
  /// Counts the links of one chain.
  class Chain {
   public:
    explicit Chain(const ExpressionParser& parser) : parser_(parser) {}
    void link();

   private:
    const ExpressionParser& parser_;
    std::uint32_t links_ = 0;
  };

  /// Names used anywhere so far; macros ask whether their body uses varargs, kwargs and caller.
  std::set<std::string, std::less<>> names_used_;

 private:
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparisons();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node, Chain& chain);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_filters(ExpressionPtr node, Chain& chain);
  ExpressionPtr parse_test(ExpressionPtr node);
  ExpressionPtr parse_call(ExpressionPtr node);
  [[nodiscard]] bool ends_tuple(std::string_view end_name) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t nesting_ = 0;
};

}  // namespace llorch::chat
