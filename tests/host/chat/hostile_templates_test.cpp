// Templates come with models from strangers: whatever they do ends soon, with an error.
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "chat/jinja_template.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

std::string times(std::string_view part, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += part;
  return out;
}

Result<Text> render(const std::string& source, const RenderOptions& options = {}) {
  Result<JinjaTemplate> parsed = JinjaTemplate::parse(source);
  if (parsed.has_error()) return parsed.error();
  return parsed->render({}, options);
}

std::string message(const Result<Text>& result) {
  return result.has_error() ? result.error().message : "text: " + result->bytes().substr(0, 100);
}

BOOST_AUTO_TEST_SUITE(hostile_templates)

BOOST_AUTO_TEST_CASE(what_never_ends_or_grows_without_limit_is_an_error) {
  const std::string many_loops = times("{% for x in range(100000) %}", 4) + "x" + times("{% endfor %}", 4);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {many_loops, "steps"},
      {"{% for x in range(10**9) %}{% endfor %}", "range: expected at most 100000"},
      {"{{ range(9223372036854775807) }}", "range: expected at most 100000"},
      {"{{ range(-9223372036854775807, 9223372036854775807) }}", "range: expected at most 100000"},
      {"{{ 'a' * 10**12 }}", "bytes"},
      {"{{ 'abc' * 9223372036854775807 }}", "bytes"},
      {"{{ [1] * 10**9 }}", "bytes"},
      {"{{ 'a' * 10**7 * 10**7 }}", "steps"},
      {"{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
       "bytes"},
      {"{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "bytes"},
      {"{{ ('a' * 10000000).split('a') }}", "steps"},
      {"{{ ('a' * 10000000) | list }}", "steps"},
      {"{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", "bytes"},
      {"{{ ('a' * 1000000) | replace('', 'b' * 1000) }}", "bytes"},
      {"{{ '%999999999d' % 1 }}", "exceeds 1000"},
      {"{{ 'a' | center(10**15) }}", "steps"},
      {"{{ 'a'.ljust(10**15) }}", "steps"},
      {"{{ 'a' | indent(10**15) }}", "bytes"},
      {"{{ 2 ** 64 }}", "64 bits"},
      {"{{ 9223372036854775807 + 1 }}", "64 bits"},
      {"{{ 9223372036854775808 }}", "64 bits"},
      {"{{ (-9223372036854775807 - 1) // -1 }}", "64 bits"},
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deeper"},
      {"{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('aaaaaaaaaaaaaaaaaaaaaaaa') }}", ""},
      {"{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "deeper"},
      {"{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}", "deeper"},
      {"{% set ns = namespace(a=[]) %}{% for i in range(1000) %}{% set ns.a = [ns.a] %}{% endfor %}", "nest"},
      {"{% set ns = namespace(a=[]) %}{% for i in range(1000) %}{% set ns.a = [ns.a].index %}{% endfor %}", "nest"},
      {"{% set ns = namespace(a=[1, 1]) %}{% for i in range(50) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
       ""},
      {"{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(50) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = "
       "[ns.b, "
       "ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
       "steps"},
      {"{% set ns = namespace(a=(1, 1)) %}{% for i in range(50) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: "
       "1} }}",
       "steps"},
      {"{% for x in range(100000) %}{{ 'a' * 1000 }}{% endfor %}", ""},
      {"{% set s = 'x' * 100000 %}{% for x in range(100000) %}{% if 'y' in s %}{% endif %}{% endfor %}", "steps"},
      {"{% set s = 'a' * 1000000 %}{% set t = 'a' * 500000 ~ 'b' %}{% for x in range(500) %}{{ s.find(t) }}{% endfor "
       "%}",
       "steps"},
      {"{% set s = 'a' * 1000000 %}{% set t = 'b' ~ 'a' * 500000 %}{% for x in range(500) %}{{ s.rfind(t) }}{% endfor "
       "%}",
       "steps"},
      {"{% set s = 'a' * 1000000 %}{% for x in range(100000) %}{{ s.startswith(s) }}{% endfor %}", "steps"},
      {"{{ strftime_now('%c' * 100000) }}", "strftime_now"},
  };
  for (const auto& [source, expected] : cases) {
    const auto begin = std::chrono::steady_clock::now();
    const Result<Text> result = render(source);
    BOOST_TEST(result.has_error(), source.substr(0, 120));
    BOOST_TEST(message(result).find(expected) != std::string::npos, source.substr(0, 120) << ": " << message(result));
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(30)), source.substr(0, 120));
  }
}

// Error messages are never empty and never cut, whatever the template says.
BOOST_AUTO_TEST_CASE(a_refusal_keeps_every_byte_of_its_message_and_says_something_without_one) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ raise_exception('before\0after') }}"s, "before\0after"s},
      {"{{ raise_exception('\\x00Roles must alternate') }}", "\0Roles must alternate"s},
      {"{{ raise_exception('') }}", "the chat template refuses the messages"},
      {"{{ x\0 }}"s, "chat template, line 1: "},
      {"{{ {}['a\0b'] + 1 }}"s, "chat template, line 1: "},
      {"{{ strftime_now('%Y\0%m') }}"s,
       "chat template, line 1: strftime_now: expected a format without NUL, found one"},
  };
  for (const auto& [source, expected] : cases) {
    const Result<Text> result = render(source);
    BOOST_TEST_REQUIRE(result.has_error(), source);
    BOOST_TEST(result.error().message.starts_with(expected), source << ": " << result.error().message);
  }
}

// std::string::find() takes a quarter of a minute for each of these.
BOOST_AUTO_TEST_CASE(a_search_in_a_text_full_of_false_starts_has_its_result) {
  const std::string texts =
      "{% set s = 'a' * 1000000 %}{% set t = 'a' * 500000 ~ 'b' %}{% set u = 'b' ~ 'a' * 500000 %}";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ s.find(t) }}", "-1"},
      {"{{ (s ~ 'b').find(t) }}", "500000"},
      {"{{ s.rfind(u) }}", "-1"},
      {"{{ ('b' ~ s).rfind(u) }}", "0"},
      {"{{ t in s }}", "False"},
      {"{{ s.count(t) }}", "0"},
      {"{{ s.split(t) | length }}", "1"},
      {"{{ s.rsplit(u) | length }}", "1"},
      {"{{ s.partition(t)[0] == s }}", "True"},
      {"{{ s.rpartition(u)[2] == s }}", "True"},
      {"{{ s.replace(t, '') == s }}", "True"},
  };
  for (const auto& [expression, expected] : cases) {
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(message(render(texts + expression)) == "text: " + expected, expression);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(8)), expression);
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_and_long_chains_are_refused_before_they_reach_the_stack) {
  constexpr std::size_t kMany = 100'000;
  const std::vector<std::string> sources = {
      "{{ " + times("(", kMany) + "1" + times(")", kMany) + " }}",
      "{{ " + times("[", kMany) + times("]", kMany) + " }}",
      "{{ " + times("{1:", kMany) + "1" + times("}", kMany) + " }}",
      "{{ " + times("not ", kMany) + "1 }}",
      "{{ " + times("-", kMany) + "1 }}",
      "{{ 1" + times("+1", kMany) + " }}",
      "{{ 1" + times("**1", kMany) + " }}",
      "{{ 1" + times(" and 1", kMany / 2) + " }}",
      "{{ 1" + times(" if 1 else 1", kMany / 4) + " }}",
      "{{ a" + times(".b", kMany) + " }}",
      "{{ a" + times("[0]", kMany) + " }}",
      "{{ a" + times("()", kMany) + " }}",
      "{{ a" + times("|e", kMany) + " }}",
      "{{ a" + times("(b", kMany) + times(")", kMany) + " }}",
      times("{%if 1%}", kMany / 4) + times("{%endif%}", kMany / 8),
      times("{%for x in y%}", kMany / 8) + times("{%endfor%}", kMany / 8),
      "{% set " + times("(", kMany) + "a" + times(")", kMany) + " = 1 %}",
  };
  for (const std::string& source : sources) {
    const Result<Text> result = render(source);
    BOOST_TEST(result.has_error(), source.substr(0, 40));
    const bool names_limit = message(result).find("deeper than") != std::string::npos ||
                             message(result).find("in a row") != std::string::npos;
    BOOST_TEST(names_limit, source.substr(0, 40) << ": " << message(result));
  }
}

BOOST_AUTO_TEST_CASE(values_that_hold_themselves_are_released) {
  // Leaks show in the sanitizer builds.
  const Result<Text> result = render(
      "{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns] %}"
      "{% macro m() %}{{ ns.list | length }}{% endmacro %}{% set ns.m = m %}"
      "{% for x in [1, 2] %}{% set ns.loop = loop %}{{ loop.changed(ns, loop) }}{% macro inner() %}{{ x }}{% endmacro "
      "%}"
      "{% set ns.inner = inner %}{% endfor %}{{ ns.m() }}{{ ns.inner() }}{{ ns.loop.length }}");
  BOOST_TEST(message(result) == "text: TrueFalse122");
}

BOOST_AUTO_TEST_CASE(limits_are_the_callers_to_set) {
  RenderOptions options;
  options.limits.output_bytes = 10;
  BOOST_TEST(message(render("0123456789", options)) == "text: 0123456789");
  BOOST_TEST(message(render("01234567890", options)) == "chat template, line 1: the rendered text exceeds 10 bytes");
  BOOST_TEST(message(render("\n{{ 'x' * 11 }}", options)) ==
             "chat template, line 2: the rendered text exceeds 10 bytes");
  options.limits.steps = 40;
  BOOST_TEST(message(render("\n{% for i in range(20) %}{% if i %}{% endif %}{% endfor %}", options)) ==
             "chat template, line 2: the template takes more than 40 steps");
}

BOOST_AUTO_TEST_CASE(sources_that_are_too_large_or_not_utf8_are_refused) {
  BOOST_TEST(message(render(std::string(RenderLimits::kMaxSource + 1, 'a'))).find("expected at most 524288 bytes") !=
             std::string::npos);
  BOOST_TEST(message(render("\xFF")).find("UTF-8") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(errors_name_the_line_and_what_was_expected) {
  BOOST_TEST(message(render("a\n{{ b\n+ }}")) == "chat template, line 3: expected an expression, found \"}}\"");
  BOOST_TEST(message(render("{% if a %}\n\nb")) ==
             "chat template, line 3: expected \"{% elif %}\" or \"{% else %}\" or \"{% endif %}\" for the block that "
             "begins in line 1, found the end of the template");
  BOOST_TEST(message(render("\n\n{{ x.y.z }}")) == "chat template, line 3: 'x' is undefined");
  BOOST_TEST(message(render("{% set x = {} %}\n{{ x.y.z }}")) ==
             "chat template, line 2: 'dict object' has no attribute 'y'");
  BOOST_TEST(message(render("{{ 'a' - 1 }}")) ==
             "chat template, line 1: unsupported operand types for -: 'str' and 'int'");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::chat
