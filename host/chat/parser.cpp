#include "chat/parser.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "chat/parser_internal.hpp"

namespace llorch::chat {
namespace {

using Names = std::initializer_list<std::string_view>;

class TemplateParser : private ExpressionParser {
 public:
  explicit TemplateParser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Body parse() { return parse_body({}); }

 private:
  // Up to a block that begins with one of the names, whose "{%" is consumed; to the end of the template without names.
  Body parse_body(Names ends, std::uint32_t begin = 1) {
    const Nested nested(*this);
    Body body;
    while (current().kind != TokenKind::kEnd) {
      const Token token = take();
      if (token.kind == TokenKind::kData) {
        body.push_back(std::make_unique<Data>(token.line, token.text));
      } else if (token.kind == TokenKind::kVariableBegin) {
        body.push_back(parse_output(token));
      } else {
        const bool ended = std::any_of(ends.begin(), ends.end(), [&](auto name) { return current().is_name(name); });
        if (ended) return body;
        body.push_back(parse_statement());
        expect_end(TokenKind::kBlockEnd);
      }
    }
    if (ends.size() == 0) return body;
    fail_expected(
        fmt::format("\"{{% {} %}}\" for the block that begins in line {}", fmt::join(ends, " %}\" or \"{% "), begin));
  }

  // A body after the "%}" that ends its opening tag, and the name that ended it.
  Body parse_block_body(Names ends, std::string* ended_by = nullptr) {
    const std::uint32_t begin = current().line;
    expect_end(TokenKind::kBlockEnd);
    Body body = parse_body(ends, begin);
    std::string name = take().text;
    if (ended_by != nullptr) *ended_by = std::move(name);
    return body;
  }

  void expect_end(TokenKind kind) {
    if (current().kind != kind) fail_expected(kind == TokenKind::kBlockEnd ? "\"%}\"" : "\"}}\"");
    take();
  }

  std::unique_ptr<const Statement> parse_output(const Token& begin) {
    auto node = std::make_unique<Output>(begin.line);
    node->expression = parse_tuple(true);
    expect_end(TokenKind::kVariableEnd);
    return node;
  }

  std::unique_ptr<const Statement> parse_print(const Token& begin) {
    auto parts = std::make_unique<Concatenation>(begin.line);
    do {
      parts->parts.push_back(parse_expression());
    } while (skip(","));
    auto node = std::make_unique<Output>(begin.line);
    node->expression = std::move(parts);
    return node;
  }

  std::unique_ptr<const Statement> parse_statement() {
    const Token token = take();
    if (token.kind != TokenKind::kName) throw Failure("expected a tag's name, found " + token.describe(), token.line);
    if (token.text == "set") return parse_set(token);
    if (token.text == "if") return parse_if(token);
    if (token.text == "for") return parse_for(token);
    if (token.text == "macro") return parse_macro(token);
    if (token.text == "call") return parse_call_block(token);
    if (token.text == "filter") return parse_filter_block(token);
    if (token.text == "with") return parse_with(token);
    if (token.text == "generation") {
      auto node = std::make_unique<Block>(token.line);
      node->body = parse_block_body({"endgeneration"});
      return node;
    }
    if (token.text == "print") return parse_print(token);
    if (token.text == "break" || token.text == "continue") {
      if (loops_ == 0) throw Failure(fmt::format("{} outside of a loop", quote(token.text)), token.line);
      return std::make_unique<Jump>(token.line, token.text == "break" ? Flow::kBreak : Flow::kContinue);
    }
    throw Failure(fmt::format("expected a tag (set, if, for, macro, call, filter, with, generation, print, break, "
                              "continue, raw), found {}",
                              quote(token.text, 40)),
                  token.line);
  }

  // name, name.attribute, (target), or several of these with commas between.
  Target parse_target() {
    const Nested nested(*this);
    Target first = parse_single_target();
    if (!current().is(",")) return first;
    Target tuple;
    tuple.is_tuple = true;
    tuple.parts.push_back(std::move(first));
    while (skip(",")) {
      if (current().is_name("in") || current().is("=") || current().is(")")) break;
      tuple.parts.push_back(parse_single_target());
    }
    return tuple;
  }

  Target parse_single_target() {
    if (skip("(")) {
      Target inner = parse_target();
      expect(")");
      return inner;
    }
    Target target;
    const Token token = current();
    target.name = expect_name("a name to assign to");
    constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none", "True", "False", "None"};
    if (std::find(kConstants.begin(), kConstants.end(), target.name) != kConstants.end()) {
      throw Failure("cannot assign to " + quote(target.name), token.line);
    }
    if (skip(".")) target.attribute = expect_name("the name of an attribute");
    return target;
  }

  std::unique_ptr<const Statement> parse_set(const Token& begin) {
    Target target = parse_target();
    if (skip("=")) {
      auto node = std::make_unique<Set>(begin.line);
      node->target = std::move(target);
      node->value = parse_tuple(true);
      return node;
    }
    auto node = std::make_unique<SetBlock>(begin.line);
    node->target = std::move(target);
    while (skip("|"))
      node->filters.push_back(parse_application());
    node->body = parse_block_body({"endset"});
    return node;
  }

  std::unique_ptr<const Statement> parse_if(const Token& begin) {
    auto node = std::make_unique<If>(begin.line);
    std::string ended_by = "elif";
    while (ended_by == "elif") {
      ExpressionPtr condition = parse_tuple(false);
      Body body = parse_block_body({"elif", "else", "endif"}, &ended_by);
      node->branches.emplace_back(std::move(condition), std::move(body));
    }
    if (ended_by == "else") node->otherwise = parse_block_body({"endif"});
    return node;
  }

  std::unique_ptr<const Statement> parse_for(const Token& begin) {
    auto node = std::make_unique<For>(begin.line);
    node->target = parse_target();
    if (!skip_name("in")) fail_expected("\"in\"");
    node->items = parse_tuple(false, "recursive");
    if (skip_name("if")) node->condition = parse_expression();
    node->recursive = skip_name("recursive");
    std::string ended_by;
    ++loops_;
    node->body = parse_block_body({"endfor", "else"}, &ended_by);
    --loops_;
    if (ended_by == "else") node->otherwise = parse_block_body({"endfor"});
    return node;
  }

  std::vector<Parameter> parse_parameters() {
    std::vector<Parameter> parameters;
    expect("(");
    while (!current().is(")")) {
      if (!parameters.empty()) {
        expect(",");
        if (current().is(")")) break;
      }
      Parameter parameter;
      parameter.name = expect_name("the name of a parameter");
      if (skip("=")) {
        parameter.otherwise = parse_expression();
      } else if (!parameters.empty() && parameters.back().otherwise) {
        fail_expected("a default value, as the parameter before has one");
      }
      parameters.push_back(std::move(parameter));
    }
    expect(")");
    return parameters;
  }

  // The body of a macro or call block, and which special names it uses. Loops outside of it are not its own.
  void parse_definition_body(MacroDefinition& definition, std::string_view end) {
    std::set<std::string, std::less<>> outer_names;
    std::swap(outer_names, names_used_);
    const std::uint32_t outer_loops = std::exchange(loops_, 0);
    definition.body = parse_block_body({end});
    loops_ = outer_loops;
    definition.uses_varargs = names_used_.contains("varargs");
    definition.uses_kwargs = names_used_.contains("kwargs");
    definition.uses_caller = names_used_.contains("caller");
    names_used_.merge(outer_names);
  }

  std::unique_ptr<const Statement> parse_macro(const Token& begin) {
    auto node = std::make_unique<Macro>(begin.line);
    node->definition.name = expect_name("the name of a macro");
    node->definition.parameters = parse_parameters();
    parse_definition_body(node->definition, "endmacro");
    return node;
  }

  std::unique_ptr<const Statement> parse_call_block(const Token& begin) {
    auto node = std::make_unique<CallBlock>(begin.line);
    node->caller.name = "caller";
    if (current().is("(")) node->caller.parameters = parse_parameters();
    const Token at = current();
    ExpressionPtr expression = parse_expression();
    if (dynamic_cast<const Call*>(expression.get()) == nullptr) {
      throw Failure("expected a call after \"call\", found another expression", at.line);
    }
    node->call.reset(static_cast<const Call*>(expression.release()));
    parse_definition_body(node->caller, "endcall");
    return node;
  }

  std::unique_ptr<const Statement> parse_filter_block(const Token& begin) {
    auto node = std::make_unique<Block>(begin.line);
    do {
      node->filters.push_back(parse_application());
    } while (skip("|"));
    node->body = parse_block_body({"endfilter"});
    return node;
  }

  std::unique_ptr<const Statement> parse_with(const Token& begin) {
    auto node = std::make_unique<Block>(begin.line);
    while (current().kind == TokenKind::kName) {
      Target target = parse_single_target();
      expect("=");
      node->names.emplace_back(std::move(target), parse_expression());
      if (!skip(",")) break;
    }
    node->body = parse_block_body({"endwith"});
    return node;
  }

  std::uint32_t loops_ = 0;  // around the statement that is being parsed
};

}  // namespace

Body parse_template(std::string_view source) {
  return TemplateParser(tokenize(source)).parse();
}

}  // namespace llorch::chat
