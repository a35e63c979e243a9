// Reading what an independent implementation wrote: tensors and manifests, whole and broken.
#include <llorch/llorch_plugin.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "checkpoint/difference.hpp"
#include "checkpoint/npy.hpp"
#include "checkpoint/reference.hpp"
#include "support/temporary_directory.hpp"

using llorch::checkpoint::compare;
using llorch::checkpoint::read_npy;
using llorch::checkpoint::Reference;
using llorch::testing::TemporaryDirectory;

namespace {

/// A .npy file as NumPy writes it: magic, version, header padded to 64 bytes, values.
std::string npy(const std::string& descr, const std::string& order, const std::string& shape,
                const std::vector<float>& values, char version = 1) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  const std::size_t fixed = version == 1 ? 10 : 12;
  while ((fixed + header.size() + 1) % 64 != 0)
    header += ' ';
  header += '\n';
  std::string out = "\x93NUMPY";
  out += version;
  out += '\0';
  out += static_cast<char>(header.size() & 0xFFU);
  out += static_cast<char>(header.size() >> 8U);
  if (version > 1) out += std::string(2, '\0');
  out += header;
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return out;
}

struct BrokenFile {
  const char* what;
  std::string bytes;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const BrokenFile& file) {
  return out << file.what;
}

const std::vector<BrokenFile> broken_tensors = {
    {"another format", "GGUF....", "not a .npy file"},
    {"an empty file", "", "not a .npy file"},
    {"version 9", npy("<f4", "False", "(1,)", {1}, 9), "format version 9"},
    {"doubles", npy("<f8", "False", "(1,)", {1, 2}), "element type"},
    {"Fortran order", npy("<f4", "True", "(1,)", {1}), "not in C order"},
    {"no shape", npy("<f4", "False", "none", {1}), "no shape"},
    {"too few values", npy("<f4", "False", "(3,)", {1, 2}), "ends before its 3 elements"},
    {"values that are not there and would take a gigabyte", npy("<f4", "False", "(1024, 1024, 256)", {}),
     "ends before its 268435456 elements: 0 bytes follow the header"},
    {"too many values", npy("<f4", "False", "(1,)", {1, 2}), "goes on after its 1 elements"},
    {"a product that wraps", npy("<f4", "False", "(4294967296, 4294967296)", {}), "more than 2^30"},
};

const std::vector<BrokenFile> broken_manifests = {
    {"no JSON", "{", "manifest.json"},
    {"another format", R"({"format": 2, "cases": []})", "format 2, expected 1"},
    {"no cases", R"({"format": 1, "cases": []})", "no cases"},
    {"a case without ids", R"({"cases": [{"name": "a"}]})", "prompt_ids is missing"},
    {"ids that are none", R"({"cases": [{"prompt_ids": [1, -2]}]})", "prompt_ids holds something that is no id"},
    {"an unknown tap", R"({"cases": [{"prompt_ids": [1], "tensors": [{"tap": "soul", "file": "x"}]}]})",
     "unknown tap \"soul\""},
    {"a row beyond the prompt", R"({"cases": [{"prompt_ids": [1], "logits_rows": [1]}]})", "beyond the prompt"},
    {"a case that is a number", R"({"cases": [7]})", "an object was expected"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(reference)

BOOST_AUTO_TEST_CASE(a_tensor_is_read_in_every_version_of_the_format) {
  const TemporaryDirectory dir;
  for (const char version : {'\1', '\2', '\3'}) {
    const auto tensor = read_npy(dir.write("t.npy", npy("<f4", "False", "(2, 3)", {1, 2, 3, 4, 5, 6}, version)));
    BOOST_REQUIRE_MESSAGE(tensor, tensor.error().message);
    const std::vector<std::uint64_t> dims{2, 3};
    BOOST_TEST(tensor->dims == dims, boost::test_tools::per_element());
    BOOST_TEST(tensor->values[5] == 6.0F);
  }
}

BOOST_AUTO_TEST_CASE(a_scalar_and_a_vector_have_their_shapes) {
  const TemporaryDirectory dir;
  BOOST_TEST(read_npy(dir.write("s.npy", npy("<f4", "False", "()", {7})))->dims.empty());
  BOOST_TEST(read_npy(dir.write("v.npy", npy("<f4", "False", "(5,)", {1, 2, 3, 4, 5})))->dims.size() == 1U);
}

BOOST_DATA_TEST_CASE(a_broken_tensor_file_is_named_with_the_reason, boost::unit_test::data::make(broken_tensors)) {
  const TemporaryDirectory dir;
  const auto tensor = read_npy(dir.write("broken.npy", sample.bytes));
  BOOST_REQUIRE(!tensor);
  BOOST_TEST(tensor.error().message.find("broken.npy") != std::string::npos, tensor.error().message);
  BOOST_TEST(tensor.error().message.find(sample.message) != std::string::npos, tensor.error().message);
}

BOOST_AUTO_TEST_CASE(a_manifest_gives_its_cases_and_leaves_out_what_is_not_there) {
  const TemporaryDirectory dir;
  dir.write("manifest.json", R"({"format": 1, "made_by": "hand", "cases": [
    {"name": "a", "prompt": "hi", "prompt_ids": [1, 2], "greedy_ids": [3], "top5": [4], "logits": "a.npy", "later": 1,
     "tensors": [{"tap": "q", "layer": 2, "file": "q.npy", "shape": [1]}]},
    {"name": "b", "prompt_ids": [5]}]})");
  const auto found = Reference::read(dir.path());
  BOOST_REQUIRE_MESSAGE(found, found.error().message);
  BOOST_TEST(found->cases.size() == 2U);
  const auto& a = found->cases[0];
  BOOST_TEST(*a.prompt == "hi");
  BOOST_TEST(a.logits->string() == (dir.path() / "a.npy").string());
  BOOST_TEST((a.find(LLORCH_TAP_Q, 2) != nullptr));
  BOOST_TEST((a.find(LLORCH_TAP_Q, 1) == nullptr));
  BOOST_TEST((found->find("b") != nullptr));
  BOOST_TEST(!found->find("b")->greedy_text.has_value());
}

BOOST_DATA_TEST_CASE(a_broken_manifest_is_named_with_the_reason, boost::unit_test::data::make(broken_manifests)) {
  const TemporaryDirectory dir;
  dir.write("manifest.json", sample.bytes);
  const auto found = Reference::read(dir.path());
  BOOST_REQUIRE(!found);
  BOOST_TEST(found.error().message.find("manifest.json") != std::string::npos, found.error().message);
  BOOST_TEST(found.error().message.find(sample.message) != std::string::npos, found.error().message);
}

BOOST_AUTO_TEST_CASE(every_tap_has_a_name_that_leads_back_to_it) {
  for (std::uint32_t tap = LLORCH_TAP_EMBED; tap <= LLORCH_TAP_K_ROTATED; ++tap) {
    BOOST_TEST(*llorch::checkpoint::tap_of_name(llorch::checkpoint::tap_name(tap)) == tap);
  }
  BOOST_TEST(!llorch::checkpoint::tap_of_name("soul").has_value());
}

BOOST_AUTO_TEST_CASE(the_worst_element_is_found_and_nan_never_matches) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float nan = std::nanf("");
  const std::vector<float> expected{1, 2, -kInfinity, 4};
  const std::vector<float> close{1, 2.5F, -kInfinity, 4.25F};
  const auto difference = compare(close, expected);
  BOOST_TEST(difference.max_error == 0.5);
  BOOST_TEST(difference.index == 1U);
  BOOST_TEST(compare(expected, expected).max_error == 0.0);
  for (const float bad : {nan, kInfinity, 0.0F}) {
    const std::vector<float> actual{1, 2, bad, 4};
    BOOST_TEST(std::isinf(compare(actual, expected).max_error));
    BOOST_TEST(compare(actual, expected).index == 2U);
  }
  const std::vector<float> first_nan{nan, 2, -kInfinity, 4};
  BOOST_TEST(std::isinf(compare(first_nan, expected).max_error));
}

BOOST_AUTO_TEST_SUITE_END()
