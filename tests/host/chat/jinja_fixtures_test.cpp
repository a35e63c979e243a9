// What transformers and jinja2 make of templates and expressions (tools/make_chat_fixtures.py), made by this engine.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.hpp"
#include "chat/built_in_templates.hpp"
#include "chat/jinja_template.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

const std::string folder = std::string(LLORCH_SOURCE_DIR) + "/tests/fixtures/chat_templates/";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(in.good(), "missing " << path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Expected {
  Expected() : document(parse_json(read(folder + "expected.json")).value()) {}
  const boost::json::value document;
};

Result<Text> render(const std::string& source, const Context& context) {
  RenderOptions options;
  options.now = std::chrono::system_clock::from_time_t(1'735'689'600 + 43'200);  // noon of 2025-01-01 in UTC
  Result<JinjaTemplate> parsed = JinjaTemplate::parse(source);
  if (parsed.has_error()) return parsed.error();
  return parsed->render(context, options);
}

// Text for text; where jinja2 fails, this engine must. A refusal by raise_exception has the same message.
void compare(const std::string& what, const Result<Text>& found, const boost::json::object& expected) {
  if (const auto* text = expected.if_contains("text")) {
    BOOST_REQUIRE_MESSAGE(found.has_value(), what << ": expected text, found the error " << found.error().message);
    BOOST_TEST(found->bytes() == std::string_view(text->get_string()),
               what << "\n  expected " << text->get_string() << "\n  found    " << found->bytes());
    return;
  }
  BOOST_REQUIRE_MESSAGE(found.has_error(), what << ": expected a failure, found text");
  if (const auto* message = expected.if_contains("raises")) {
    BOOST_TEST(found.error().message == std::string_view(message->get_string()), what);
    BOOST_TEST((found.error().code == ErrorCode::kInvalidArgument), what);
  } else {
    BOOST_TEST((found.error().code == ErrorCode::kBadModel), what);
    BOOST_TEST(found.error().message.starts_with("chat template, line "), what << ": " << found.error().message);
  }
  if (const auto* line = expected.if_contains("line")) {
    const std::string prefix = "chat template, line " + std::to_string(line->get_int64()) + ":";
    BOOST_TEST(found.error().message.starts_with(prefix), what << ": " << prefix << " " << found.error().message);
  }
}

BOOST_FIXTURE_TEST_SUITE(jinja_fixtures, Expected)

BOOST_AUTO_TEST_CASE(expressions_give_what_jinja2_gives) {
  Context context;
  for (const auto& member : document.at("expression_context").get_object())
    context.emplace_back(member.key(), from_json(member.value(), Origin::kForeign));
  const auto& list = document.at("expressions").get_array();
  BOOST_TEST(list.size() > 100U);
  for (const auto& item : list) {
    const std::string source(item.at("template").get_string());
    compare(source, render(source, context), item.get_object());
  }
}

BOOST_AUTO_TEST_CASE(templates_of_models_and_built_in_ones_give_what_transformers_gives) {
  std::size_t compared = 0;
  for (const auto& item : document.at("cases").get_array()) {
    const std::string name(item.at("template").get_string());
    constexpr std::string_view kBuiltIn = "builtin:";
    const bool is_built_in = name.starts_with(kBuiltIn);
    const BuiltInTemplate* built_in = is_built_in ? find_built_in(name.substr(kBuiltIn.size())) : nullptr;
    BOOST_REQUIRE_MESSAGE(!is_built_in || built_in != nullptr, "no " << name);
    const std::string source =
        is_built_in ? std::string(built_in->source) : read(std::string(folder).append(name).append(".jinja"));
    Context context = {{"add_generation_prompt", item.at("add_generation_prompt").get_bool()},
                       {"tools", None{}},
                       {"documents", None{}}};
    for (const auto& member : document.at("names").get_object())
      context.emplace_back(member.key(), from_json(member.value(), Origin::kTemplate));
    const std::string conversation(item.at("conversation").get_string());
    context.emplace_back("messages", from_json(document.at("conversations").at(conversation), Origin::kForeign));
    compare(std::string(name).append(", ").append(conversation), render(source, context), item.get_object());
    ++compared;
  }
  BOOST_TEST(compared >= (11 + built_in_templates().size()) * 20);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::chat
