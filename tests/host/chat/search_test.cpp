// Searches against std::string's, on texts that repeat themselves.
#include "chat/search.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

namespace llorch::chat {
namespace {

std::string random_text(std::mt19937& random, std::size_t max) {
  std::string out(random() % (max + 1), 'a');
  for (char& c : out)
    c = random() % 4 == 0 ? 'b' : 'a';
  return out;
}

BOOST_AUTO_TEST_SUITE(search)

BOOST_AUTO_TEST_CASE(the_first_and_the_last_place_are_those_of_std_string) {
  std::mt19937 random(7);
  Runtime runtime({.steps = ~std::uint64_t{0}}, {});
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_text(random, 300);
    const std::string sought = random_text(random, i % 20 == 0 ? 320 : 8);
    const std::size_t from = random() % (text.size() + 1);
    BOOST_TEST_REQUIRE(find_first(runtime, text, sought, from) == text.find(sought, from),
                       text << ", " << sought << ", " << from);
    BOOST_TEST_REQUIRE(find_last(runtime, text, sought) == text.rfind(sought), text << ", " << sought);
  }
}

BOOST_AUTO_TEST_CASE(a_search_costs_what_it_passed_over) {
  const std::string text(100000, 'a');
  for (const auto search : {+[](Runtime&runtime, std::string_view in) { return find_first(runtime, in, "b"); },
                            +[](Runtime&runtime, std::string_view in) { return find_last(runtime, in, "b"); }}) {
    Runtime poor({.steps = 10000}, {});
    BOOST_CHECK_THROW(static_cast<void>(search(poor, text)), Failure);
    BOOST_CHECK_NO_THROW(static_cast<void>(search(poor, "b" + text.substr(0, 50) + "b")));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::chat
