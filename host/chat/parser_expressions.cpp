#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <optional>

#include "chat/parser_internal.hpp"

namespace llorch::chat {
namespace {

template <class Node>
std::unique_ptr<Node> node_at(const Token& token) {
  return std::make_unique<Node>(token.line);
}

std::unique_ptr<Binary> binary(const Token& token, BinaryOperator op, ExpressionPtr left) {
  auto node = node_at<Binary>(token);
  node->op = op;
  node->left = std::move(left);
  return node;
}

ExpressionPtr constant(const Token& token, Value value) {
  return std::make_unique<Constant>(token.line, std::move(value));
}

std::optional<Comparison> comparison(const Token& token) {
  constexpr std::array<std::pair<std::string_view, Comparison>, 6> kOperators = {{{"==", Comparison::kEqual},
                                                                                  {"!=", Comparison::kNotEqual},
                                                                                  {"<", Comparison::kLess},
                                                                                  {"<=", Comparison::kLessEqual},
                                                                                  {">", Comparison::kGreater},
                                                                                  {">=", Comparison::kGreaterEqual}}};
  for (const auto& [text, op] : kOperators) {
    if (token.is(text)) return op;
  }
  return std::nullopt;
}

}  // namespace

ExpressionParser::Nested::Nested(ExpressionParser& parser) : parser_(parser) {
  if (++parser.nesting_ > RenderLimits::kMaxSourceDepth) {
    --parser.nesting_;
    throw Failure(fmt::format("nested deeper than {} levels", RenderLimits::kMaxSourceDepth), parser.current().line);
  }
}

void ExpressionParser::Chain::link() {
  if (++links_ > RenderLimits::kMaxSourceDepth) {
    throw Failure(fmt::format("more than {} operators in a row", RenderLimits::kMaxSourceDepth),
                  parser_.current().line);
  }
}

bool ExpressionParser::skip(std::string_view op) {
  if (!current().is(op)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

void ExpressionParser::expect(std::string_view op) {
  if (!skip(op)) fail_expected(fmt::format("\"{}\"", op));
}

std::string ExpressionParser::expect_name(std::string_view what) {
  if (current().kind != TokenKind::kName) fail_expected(what);
  return take().text;
}

void ExpressionParser::fail_expected(std::string_view expected) const {
  throw Failure(fmt::format("expected {}, found {}", expected, current().describe()), current().line);
}

ExpressionPtr ExpressionParser::parse_expression(bool with_conditional) {
  const Nested nested(*this);
  ExpressionPtr node = parse_or();
  Chain chain(*this);
  while (with_conditional && current().is_name("if")) {
    chain.link();
    auto conditional = node_at<Conditional>(take());
    conditional->then = std::move(node);
    conditional->condition = parse_or();
    if (skip_name("else")) conditional->otherwise = parse_expression();
    node = std::move(conditional);
  }
  return node;
}

ExpressionPtr ExpressionParser::parse_or() {
  ExpressionPtr left = parse_and();
  Chain chain(*this);
  while (current().is_name("or")) {
    chain.link();
    auto node = node_at<Logical>(take());
    node->is_and = false;
    node->left = std::move(left);
    node->right = parse_and();
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_and() {
  ExpressionPtr left = parse_not();
  Chain chain(*this);
  while (current().is_name("and")) {
    chain.link();
    auto node = node_at<Logical>(take());
    node->left = std::move(left);
    node->right = parse_not();
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!current().is_name("not")) return parse_comparisons();
  const Nested nested(*this);
  auto node = node_at<Unary>(take());
  node->op = UnaryOperator::kNot;
  node->operand = parse_not();
  return node;
}

ExpressionPtr ExpressionParser::parse_comparisons() {
  const Token begin = current();
  ExpressionPtr first = parse_sum();
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
  while (true) {
    std::optional<Comparison> op = comparison(current());
    if (current().is_name("in")) op = Comparison::kIn;
    if (current().is_name("not") && ahead().is_name("in")) {
      take();
      op = Comparison::kNotIn;
    }
    if (!op) break;
    take();
    rest.emplace_back(*op, parse_sum());
  }
  if (rest.empty()) return first;
  auto node = node_at<Comparisons>(begin);
  node->first = std::move(first);
  node->rest = std::move(rest);
  return node;
}

ExpressionPtr ExpressionParser::parse_sum() {
  ExpressionPtr left = parse_concatenation();
  Chain chain(*this);
  while (current().is("+") || current().is("-")) {
    chain.link();
    const Token token = take();
    auto node = binary(token, token.is("+") ? BinaryOperator::kAdd : BinaryOperator::kSubtract, std::move(left));
    node->right = parse_concatenation();
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_concatenation() {
  const Token begin = current();
  ExpressionPtr first = parse_product();
  if (!current().is("~")) return first;
  auto node = node_at<Concatenation>(begin);
  node->parts.push_back(std::move(first));
  while (skip("~"))
    node->parts.push_back(parse_product());
  return node;
}

ExpressionPtr ExpressionParser::parse_product() {
  constexpr std::array<std::pair<std::string_view, BinaryOperator>, 4> kOperators = {
      {{"*", BinaryOperator::kMultiply},
       {"/", BinaryOperator::kDivide},
       {"//", BinaryOperator::kFloorDivide},
       {"%", BinaryOperator::kModulo}}};
  ExpressionPtr left = parse_power();
  Chain chain(*this);
  while (true) {
    const auto* const found = std::find_if(kOperators.begin(), kOperators.end(),
                                           [&](const auto& candidate) { return current().is(candidate.first); });
    if (found == kOperators.end()) return left;
    chain.link();
    auto node = binary(take(), found->second, std::move(left));
    node->right = parse_power();
    left = std::move(node);
  }
}

ExpressionPtr ExpressionParser::parse_power() {
  ExpressionPtr left = parse_unary(true);
  Chain chain(*this);
  while (current().is("**")) {
    chain.link();
    auto node = binary(take(), BinaryOperator::kPower, std::move(left));
    node->right = parse_unary(true);
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filters) {
  const Nested nested(*this);
  ExpressionPtr node;
  if (current().is("-") || current().is("+")) {
    const Token token = take();
    auto unary = node_at<Unary>(token);
    unary->op = token.is("-") ? UnaryOperator::kMinus : UnaryOperator::kPlus;
    unary->operand = parse_unary(false);
    node = std::move(unary);
  } else {
    node = parse_primary();
  }
  Chain chain(*this);
  node = parse_postfix(std::move(node), chain);
  return with_filters ? parse_filters(std::move(node), chain) : std::move(node);
}

ExpressionPtr ExpressionParser::parse_primary() {
  const Token token = current();
  switch (token.kind) {
    case TokenKind::kName:
      take();
      if (token.text == "true" || token.text == "True") return constant(token, true);
      if (token.text == "false" || token.text == "False") return constant(token, false);
      if (token.text == "none" || token.text == "None") return constant(token, None{});
      names_used_.insert(token.text);
      return std::make_unique<Name>(token.line, token.text);
    case TokenKind::kString: {
      std::string text;
      while (current().kind == TokenKind::kString)
        text += take().text;
      return constant(token, free_text(text, Origin::kTemplate));
    }
    case TokenKind::kInteger:
      take();
      return constant(token, token.integer);
    case TokenKind::kFloat:
      take();
      return constant(token, token.number);
    default:
      break;
  }
  if (skip("(")) {
    ExpressionPtr node = parse_tuple(true, {}, true);
    expect(")");
    return node;
  }
  if (token.is("[")) return parse_list();
  if (token.is("{")) return parse_dict();
  fail_expected("an expression");
}

bool ExpressionParser::ends_tuple(std::string_view end_name) const {
  const Token& token = current();
  if (token.kind == TokenKind::kVariableEnd || token.kind == TokenKind::kBlockEnd || token.is(")")) return true;
  return !end_name.empty() && token.is_name(end_name);
}

ExpressionPtr ExpressionParser::parse_tuple(bool with_conditional, std::string_view end_name, bool in_parentheses) {
  const Token begin = current();
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect(",");
    if (ends_tuple(end_name)) break;
    items.push_back(parse_expression(with_conditional));
    if (!current().is(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items.front());
    if (!in_parentheses) fail_expected("an expression");
  }
  auto node = node_at<ListDisplay>(begin);
  node->kind = ListKind::kTuple;
  node->items = std::move(items);
  return node;
}

ExpressionPtr ExpressionParser::parse_list() {
  auto node = node_at<ListDisplay>(current());
  expect("[");
  while (!current().is("]")) {
    if (!node->items.empty()) {
      expect(",");
      if (current().is("]")) break;
    }
    node->items.push_back(parse_expression());
  }
  expect("]");
  return node;
}

ExpressionPtr ExpressionParser::parse_dict() {
  auto node = node_at<DictDisplay>(current());
  expect("{");
  while (!current().is("}")) {
    if (!node->entries.empty()) {
      expect(",");
      if (current().is("}")) break;
    }
    ExpressionPtr key = parse_expression();
    expect(":");
    node->entries.emplace_back(std::move(key), parse_expression());
  }
  expect("}");
  return node;
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr node, Chain& chain) {
  while (true) {
    if (current().is(".") || current().is("[")) {
      chain.link();
      node = parse_subscript(std::move(node));
    } else if (current().is("(")) {
      chain.link();
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr node, Chain& chain) {
  while (true) {
    if (current().is("|")) {
      chain.link();
      auto filtered = node_at<Filtered>(take());
      filtered->subject = std::move(node);
      filtered->filter = parse_application();
      node = std::move(filtered);
    } else if (current().is_name("is")) {
      chain.link();
      node = parse_test(std::move(node));
    } else if (current().is("(")) {
      chain.link();
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr node) {
  const Token token = take();
  if (token.is(".")) {
    const Token member = take();
    if (member.kind == TokenKind::kName) {
      auto attribute = node_at<Attribute>(token);
      attribute->object = std::move(node);
      attribute->name = member.text;
      return attribute;
    }
    if (member.kind != TokenKind::kInteger) {
      throw Failure("expected a name or a number after \".\", found " + member.describe(), member.line);
    }
    auto item = node_at<Item>(token);
    item->object = std::move(node);
    item->key = constant(member, member.integer);
    return item;
  }
  ExpressionPtr begin;
  if (!current().is(":")) begin = parse_expression();
  if (!current().is(":")) {
    auto item = node_at<Item>(token);
    item->object = std::move(node);
    item->key = std::move(begin);
    expect("]");
    return item;
  }
  auto slice = node_at<Slice>(take());
  slice->object = std::move(node);
  slice->begin = std::move(begin);
  if (!current().is(":") && !current().is("]")) slice->end = parse_expression();
  if (skip(":") && !current().is("]")) slice->step = parse_expression();
  expect("]");
  return slice;
}

Application ExpressionParser::parse_application() {
  Application application;
  application.name = expect_name("the name of a filter");
  while (skip("."))
    application.name.append(".").append(expect_name("the rest of a filter's name"));
  if (current().is("(")) application.arguments = parse_arguments();
  return application;
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr node) {
  auto tested = node_at<Tested>(take());
  tested->subject = std::move(node);
  tested->negated = skip_name("not");
  tested->test.name = expect_name("the name of a test");
  const Token& next = current();
  const bool starts_value = next.kind == TokenKind::kString || next.kind == TokenKind::kInteger ||
                            next.kind == TokenKind::kFloat || next.is("[") || next.is("{");
  const bool keyword = next.is_name("else") || next.is_name("or") || next.is_name("and") || next.is_name("if");
  if (next.is("(")) {
    tested->test.arguments = parse_arguments();
  } else if (starts_value || (next.kind == TokenKind::kName && !keyword)) {
    if (next.is_name("is")) fail_expected("no second test (put the first one into parentheses)");
    ExpressionPtr argument = parse_primary();
    Chain chain(*this);
    tested->test.arguments.positional.push_back(parse_postfix(std::move(argument), chain));
  }
  return tested;
}

ExpressionPtr ExpressionParser::parse_call(ExpressionPtr node) {
  auto call = node_at<Call>(current());
  call->function = std::move(node);
  call->arguments = parse_arguments();
  return call;
}

CallArguments ExpressionParser::parse_arguments() {
  CallArguments arguments;
  expect("(");
  bool first = true;
  while (!current().is(")")) {
    if (!first) {
      expect(",");
      if (current().is(")")) break;
    }
    first = false;
    if (skip("**")) {
      if (arguments.more_named) fail_expected("one **argument");
      arguments.more_named = parse_expression();
    } else if (skip("*")) {
      if (arguments.more_positional) fail_expected("one *argument");
      arguments.more_positional = parse_expression();
    } else if (current().kind == TokenKind::kName && ahead().is("=")) {
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!arguments.named.empty()) fail_expected("a named argument after a named one");
      arguments.positional.push_back(parse_expression());
    }
  }
  expect(")");
  return arguments;
}

}  // namespace llorch::chat
