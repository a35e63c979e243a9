// Files of log-probabilities that are no good: each is refused with its name and what is wrong with it.
#include "tools/logprob_file.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "support/temporary_directory.hpp"

namespace llorch::tools {
namespace {

// Two windows of 4 ids with a vocabulary of 3: one scored position each.
struct Parts {
  std::string magic = "llorchlp";
  std::uint32_t version = 1, vocab_size = 3, window = 4, count = 2, first = 2, flags = 1;
  std::vector<std::int32_t> ids = {0, 1, 2, 0, 0, 2, 2, 1};
  std::vector<float> values = {std::log(0.5F), std::log(0.25F), std::log(0.25F),
                               0.0F,           -30.0F,          -std::numeric_limits<float>::infinity()};

  [[nodiscard]] std::string bytes() const {
    std::string out = magic;
    const auto append = [&](const auto& value) { out.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
    for (const std::uint32_t value : {version, vocab_size, window, count, first, flags})
      append(value);
    for (const std::int32_t id : ids)
      append(id);
    for (const float value : values)
      append(value);
    return out;
  }
};

// The first error of reading all of it; empty when there is none.
std::string complaint(const std::string& bytes) {
  const testing::TemporaryDirectory directory;
  const auto path = directory.write("x.lp", bytes);
  const auto reader = LogprobReader::open(path);
  std::string message;
  if (!reader) {
    message = reader.error().message;
  } else {
    for (std::uint32_t w = 0; w < (*reader)->count() && message.empty(); ++w) {
      if (const auto ids = (*reader)->ids(w); !ids) message = ids.error().message;
    }
    for (std::uint32_t row = 0; row < (*reader)->count() && message.empty(); ++row) {
      if (const auto values = (*reader)->next(); !values) message = values.error().message;
    }
  }
  if (message.empty()) return {};
  BOOST_TEST(message.find(path.string() + ": ") == 0U, message);
  return message;
}

BOOST_AUTO_TEST_SUITE(logprob_file)

BOOST_AUTO_TEST_CASE(a_right_file_is_read_as_it_is) {
  const testing::TemporaryDirectory directory;
  const Parts parts;
  const auto reader = LogprobReader::open(directory.write("x.lp", parts.bytes()));
  BOOST_TEST_REQUIRE(reader.has_value(), (reader ? "" : reader.error().message));
  BOOST_TEST((*reader)->vocab_size() == 3U);
  BOOST_TEST((*reader)->window() == 4U);
  BOOST_TEST((*reader)->count() == 2U);
  BOOST_TEST((*reader)->bos());
  const auto ids = (*reader)->ids(1);
  BOOST_TEST_REQUIRE(ids.has_value());
  BOOST_TEST(*ids == (std::vector<std::int32_t>{0, 2, 2, 1}), boost::test_tools::per_element());
  for (const std::size_t row : {0U, 1U}) {
    const auto values = (*reader)->next();
    BOOST_TEST_REQUIRE(values.has_value(), (values ? "" : values.error().message));
    BOOST_TEST(std::vector<float>(values->begin(), values->end()) ==
                   std::vector<float>(parts.values.begin() + static_cast<std::ptrdiff_t>(row * 3),
                                      parts.values.begin() + static_cast<std::ptrdiff_t>(row * 3 + 3)),
               boost::test_tools::per_element());
  }
  BOOST_TEST(!(*reader)->next().has_value());
}

BOOST_AUTO_TEST_CASE(every_wrong_part_is_named) {
  const auto changed = [](auto change) {
    Parts parts;
    change(parts);
    return parts.bytes();
  };
  constexpr std::uint32_t kHuge = 0xFFFFFFFFU;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {changed([](Parts& p) { p.magic = "_logits_"; }), "begins with \"llorchlp\""},
      {changed([](Parts& p) { p.version = 2; }), "version: expected 1, found 2"},
      {changed([](Parts& p) { p.vocab_size = 0; }), "vocabulary: expected 1 to"},
      {changed([](Parts& p) { p.vocab_size = kHuge; }), "vocabulary: expected 1 to"},
      {changed([](Parts& p) { p.window = 3; }), "window: expected 4 to"},
      {changed([](Parts& p) { p.window = kHuge; }), "window: expected 4 to"},
      {changed([](Parts& p) { p.count = 0; }), "windows: expected at least 1"},
      {changed([](Parts& p) { p.count = kHuge; }), "size: expected 4294967295 windows"},
      {changed([](Parts& p) { p.first = 1; }), "first scored position: expected 2"},
      {changed([](Parts& p) { p.flags = 2; }), "flags: expected 0 or 1, found 2"},
      {changed([](Parts& p) { p.values.pop_back(); }), "size: expected 2 windows"},
      {changed([](Parts& p) { p.values.push_back(0); }), "size: expected 2 windows"},
      {changed([](Parts& p) { p.ids[5] = 3; }), "window 1: expected ids from 0 to 2, found 3"},
      {changed([](Parts& p) { p.ids[0] = -1; }), "window 0: expected ids from 0 to 2, found -1"},
      {changed([](Parts& p) { p.values[1] = 0.5F; }), "position 0, id 1: expected a log-probability, found 0.5"},
      {changed([](Parts& p) { p.values[4] = std::nanf(""); }), "position 1, id 1: expected a log-probability"},
      {changed([](Parts& p) { p.values[3] = -1; }), "position 1: expected probabilities that add up to 1"},
  };
  for (const auto& [bytes, part] : cases) {
    const std::string message = complaint(bytes);
    BOOST_TEST(message.find(part) != std::string::npos, "expected \"" << part << "\", found: " << message);
  }
}

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_refused) {
  const std::string whole = Parts().bytes();
  BOOST_TEST(complaint(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size)
    BOOST_TEST(!complaint(whole.substr(0, size)).empty(), size);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tools
