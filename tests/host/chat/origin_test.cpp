// Which bytes of a rendered text users wrote: the ranges follow their bytes through everything a template does.
#include <boost/test/unit_test.hpp>
#include <string>

#include "chat/jinja_template.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

// The rendered text with foreign stretches in «».
std::string marked(const std::string& source, const std::string& content = "Hi <b>") {
  Result<JinjaTemplate> parsed = JinjaTemplate::parse(source);
  BOOST_REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
  const Context context = {{"c", free_text(content, Origin::kForeign)}, {"bos", free_text("<s>", Origin::kTemplate)}};
  const Result<Text> text = parsed->render(context);
  BOOST_REQUIRE_MESSAGE(text.has_value(), text.error().message);
  std::string out;
  std::size_t done = 0;
  for (const TextRange& range : text->foreign()) {
    BOOST_TEST(range.begin >= done);
    BOOST_TEST(range.end > range.begin);
    out += text->bytes().substr(done, range.begin - done) + "«" +
           text->bytes().substr(range.begin, range.end - range.begin) + "»";
    done = range.end;
  }
  return out + text->bytes().substr(done);
}

BOOST_AUTO_TEST_SUITE(origin)

BOOST_AUTO_TEST_CASE(content_is_foreign_and_the_rest_is_the_templates) {
  BOOST_TEST(marked("{{ bos }}[{{ c }}]") == "<s>[«Hi <b>»]");
  BOOST_TEST(marked("{{ bos + '[' + c + ']' }}") == "<s>[«Hi <b>»]");
  BOOST_TEST(marked("{{ bos ~ c ~ c ~ bos }}") == "<s>«Hi <b>Hi <b>»<s>");
  BOOST_TEST(marked("{% set x %}a{{ c }}b{% endset %}{{ x }}{{ x }}") == "a«Hi <b>»ba«Hi <b>»b");
  BOOST_TEST(marked("{% macro m(x) %}({{ x }}){% endmacro %}{{ m(c) }}") == "(«Hi <b>»)");
}

BOOST_AUTO_TEST_CASE(ranges_follow_slices_and_changes_byte_by_byte) {
  BOOST_TEST(marked("{{ (' a ' + c + ' b ') | trim }}") == "a «Hi <b>» b");
  BOOST_TEST(marked("{{ ('a' + c + 'b')[2:-1] }}") == "«i <b>»");
  BOOST_TEST(marked("{{ ('ab' + c)[::-1] }}") == "«>b< iH»ba");
  BOOST_TEST(marked("{{ ('a' + c + 'z') | upper }}") == "A«HI <B>»Z");
  BOOST_TEST(marked("{{ ('a' + c + 'z').title() }}") == "A«hi <B>»Z");
  BOOST_TEST(marked("{{ (c + '|' + 'x').split('|')[1] }}") == "x");
  BOOST_TEST(marked("{{ (c + '|x').split('|') | join('-') }}") == "«Hi <b>»-x");
  BOOST_TEST(marked("{{ 'a-b'.replace('-', c) }}") == "a«Hi <b>»b");
  BOOST_TEST(marked("{{ (c + bos).replace(' ', '') }}") == "«Hi<b>»<s>");
  BOOST_TEST(marked("{{ '[%s]' % c }}{{ '<{}>'.format(c) }}") == "[«Hi <b>»]<«Hi <b>»>");
  BOOST_TEST(marked("{% for x in c + '.' %}{{ x }}{% endfor %}") == "«Hi <b>».");
  BOOST_TEST(marked("{{ c | list | join }}") == "«Hi <b>»");
  BOOST_TEST(marked("{{ (c ~ '\n' ~ 'x') | indent(2) }}") == "«Hi <b>»\n  x");
  BOOST_TEST(marked("{{ c | default('x') }}{{ c.strip('H') }}{{ [c] | first }}") == "«Hi <b>i <b>Hi <b>»");
  BOOST_TEST(marked("{{ ('ä' + c)[1:3] }}", "öü") == "«öü»");
}

BOOST_AUTO_TEST_CASE(where_pieces_cannot_be_followed_the_whole_is_foreign) {
  BOOST_TEST(marked("{{ [bos, c] }}") == "«['<s>', 'Hi <b>']»");
  BOOST_TEST(marked("{{ {'a': [c]} | tojson }}") == "«{\"a\": [\"Hi <b>\"]}»");
  BOOST_TEST(marked("{{ {c: bos} | tojson }}") == "«{\"Hi <b>\": \"<s>\"}»");
  BOOST_TEST(marked("{{ '%r' % c }}") == "«'Hi <b>'»");
  BOOST_TEST(marked("{{ [bos] }}{{ {'a': bos} | tojson }}") == "['<s>']{\"a\": \"<s>\"}");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::chat
