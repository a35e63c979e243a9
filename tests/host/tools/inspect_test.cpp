// `inspect`: what it prints about models of both formats, as text and as JSON.
#include "tools/inspect.hpp"

#include <boost/json/object.hpp>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <sstream>
#include <string>

#include "base/json.hpp"
#include "support/gguf_writer.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;
using llorch::tools::InspectOptions;

struct Inspected {
  InspectOptions options;

  std::string run() const {
    std::ostringstream out;
    const auto done = llorch::tools::inspect(options, out);
    return done ? out.str() : "error: " + done.error().message;
  }
  boost::json::value run_json() {
    options.json = true;
    const std::string text = run();
    auto parsed = llorch::parse_json(text);
    BOOST_REQUIRE_MESSAGE(parsed, text);
    return *parsed;
  }
  void expect(std::initializer_list<std::string_view> parts) const {
    const std::string text = run();
    for (const std::string_view part : parts) {
      BOOST_TEST(text.find(part) != std::string::npos, "\"" << part << "\" in:\n" << text);
    }
  }

  TemporaryDirectory directory;
};

BOOST_FIXTURE_TEST_SUITE(inspect_command, Inspected)

BOOST_AUTO_TEST_CASE(a_gguf_file_is_described) {
  options.model = directory.write("tiny.gguf", tiny_gpt2_gguf().bytes());
  expect({"format        GGUF", "architecture  gpt2", "28 tensors", "gpt2.block_count                             2",
          "gpt2.attention.layer_norm_epsilon            1e-05",
          "7 x string: \"a\", \"b\", \"c\", \"d\", \"e\", \"f\", ...", "F32          28 tensors",
          "Memory for a context of 5 tokens"});
  BOOST_TEST(run().find("blk.0.attn_qkv.weight") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_hugging_face_directory_is_described_with_both_names_of_each_tensor) {
  write_tiny_gpt2(directory);
  options.model = directory.path();
  options.tensors = true;
  expect({"format        Hugging Face directory", "tokenizer     none: ", "gpt2.hidden_activation",
          "blk.0.attn_qkv.weight", "[18, 6]", "432 B", "h.0.attn.c_attn.weight"});
}

BOOST_AUTO_TEST_CASE(json_has_the_same_facts) {
  options.model = directory.write("tiny.gguf", tiny_gpt2_gguf().bytes());
  options.tensors = true;
  const auto report = run_json();
  BOOST_TEST(report.at("format").as_string() == "gguf");
  BOOST_TEST(report.at("architecture").as_string() == "gpt2");
  BOOST_TEST(report.at("total").at("tensors").as_int64() == 28);
  BOOST_TEST(report.at("types").at("F32").at("tensors").as_int64() == 28);
  BOOST_TEST(report.at("metadata").at("gpt2.block_count").as_int64() == 2);
  BOOST_TEST(report.at("metadata").at("tokenizer.ggml.tokens").at("count").as_int64() == 7);
  BOOST_TEST(report.at("metadata").at("tokenizer.ggml.tokens").at("first").as_array().size() == 6U);
  BOOST_TEST(report.at("tensors").as_array().size() == 28U);
  BOOST_TEST(report.at("tensors").at(4).at("dims").at(0).as_int64() == 18);
}

BOOST_AUTO_TEST_CASE(json_stays_json_whatever_the_metadata_hold) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.set("x.infinite", gguf_f32(std::numeric_limits<float>::infinity()));
  writer.set("x.bytes", gguf_text("\xFF\n\"\x01"));
  writer.set("x.flags", gguf_array(kGgufBool, 2, std::string("\0\2", 2)));
  writer.set("x.nested", gguf_array(kGgufArray, 1, le<std::uint32_t>(kGgufU8) + le<std::uint64_t>(0)));
  options.model = directory.write("odd.gguf", writer.bytes());
  const auto report = run_json();
  const auto& metadata = report.at("metadata");
  BOOST_TEST(metadata.at("x.infinite").as_string() == "inf");
  BOOST_TEST(metadata.at("x.bytes").as_string() == "\xEF\xBF\xBD\n\"\x01");
  BOOST_TEST(metadata.at("x.flags").at("first").at(1).as_bool());
  BOOST_TEST(metadata.at("x.nested").at("first").as_array().empty());
}

BOOST_AUTO_TEST_CASE(a_vocabulary_only_file_and_an_unknown_architecture_are_described_too) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.tensors.clear();
  options.model = directory.write("vocabulary.gguf", writer.bytes());
  expect({"architecture  gpt2", "0 tensors", "7 x string"});
  writer = tiny_gpt2_gguf();
  writer.set("general.architecture", gguf_text("mamba"));
  options.model = directory.write("other.gguf", writer.bytes());
  expect({"architecture  mamba", "28 tensors", "Memory: give --context"});
}

BOOST_AUTO_TEST_CASE(a_broken_file_is_an_error_that_names_it) {
  options.model = directory.write("broken.gguf", "GGUF");
  expect({"error: ", "broken.gguf", "header of 24 bytes expected"});
}

BOOST_AUTO_TEST_CASE(a_plugin_that_cannot_be_found_is_an_error) {
  options.model = directory.write("tiny.gguf", tiny_gpt2_gguf().bytes());
  options.plugin = "no_such_plugin";
  options.plugin_dir = directory.path();
  expect({"error: ", "no_such_plugin"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
