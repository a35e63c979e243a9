// --kv-type: names to the ABI's numbers, and what a plugin without the type leads to.
#include "tools/kv_type.hpp"

#include <CLI/CLI.hpp>
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

#include "tools/bench.hpp"
#include "tools/inspect.hpp"
#include "tools/load_model.hpp"

namespace {

using namespace llorch::tools;  // NOLINT(google-build-using-namespace)
using llorch::config::Config;

const std::string kSourceDir = LLORCH_SOURCE_DIR;
const std::string kBinaryDir = LLORCH_BINARY_DIR;

BOOST_AUTO_TEST_SUITE(kv_type)

BOOST_AUTO_TEST_CASE(names_become_the_numbers_of_the_abi) {
  struct Row {
    KvTypeNames names;
    std::uint32_t k, v;
    const char* text;
  };
  const Row table[] = {
      {{}, 0, 0, "default"},
      {{"f32", "same", "same"}, LLORCH_DTYPE_F32, LLORCH_DTYPE_F32, "f32"},
      {{"f16", "same", "same"}, LLORCH_DTYPE_F16, LLORCH_DTYPE_F16, "f16"},
      {{"q8_0", "same", "same"}, LLORCH_DTYPE_Q8_0, LLORCH_DTYPE_Q8_0, "q8_0"},
      {{"f16", "same", "q8_0"}, LLORCH_DTYPE_F16, LLORCH_DTYPE_Q8_0, "keys f16, values q8_0"},
      {{"default", "q8_0", "same"}, LLORCH_DTYPE_Q8_0, 0, "keys q8_0, values default"},
      {{"f16", "f32", "f32"}, LLORCH_DTYPE_F32, LLORCH_DTYPE_F32, "f32"},
  };
  for (const Row& row : table) {
    const KvTypes types = kv_types(row.names);
    BOOST_TEST(types.k == row.k, row.text);
    BOOST_TEST(types.v == row.v, row.text);
    BOOST_TEST(to_string(row.names) == row.text);
  }
  Config config;
  config.kv_type = "f16";
  config.kv_type_v = "q8_0";
  BOOST_TEST(to_string(kv_type_names(config)) == "keys f16, values q8_0");
}

BOOST_AUTO_TEST_CASE(flags_take_the_choices_of_the_options_only) {
  const auto parsed = [](std::string arguments) {
    KvTypeNames names;
    CLI::App app;
    add_kv_type_flags(app, names);
    app.parse(std::move(arguments));
    return to_string(names);
  };
  BOOST_TEST(parsed("--kv-type q8_0") == "q8_0");
  BOOST_TEST(parsed("--kv-type f16 --kv-type-v q8_0") == "keys f16, values q8_0");
  BOOST_TEST(parsed("") == "default");
  BOOST_CHECK_THROW(parsed("--kv-type q4_0"), CLI::ValidationError);
  BOOST_CHECK_THROW(parsed("--kv-type-k default"), CLI::ValidationError);
}

BOOST_AUTO_TEST_CASE(an_engine_gets_the_types_and_a_smaller_cache) {
  Config config;
  config.model = kSourceDir + "/models/tiny-gpt2";
  config.plugin = kBinaryDir + "/lib/llorch/plugins/gpt2_cpu.so";
  const auto loaded = load_model(config);
  BOOST_REQUIRE_MESSAGE(loaded, loaded.error().message);
  const auto kv_bytes = [&](const std::string& type) {
    config.kv_type = type;
    const auto engine = create_engine(*loaded, config);
    BOOST_REQUIRE_MESSAGE(engine, engine.error().message);
    return (*engine)->memory().kv;
  };
  BOOST_TEST(kv_bytes("default") == kv_bytes("f32"));
  BOOST_TEST(kv_bytes("f32") == 2 * kv_bytes("f16"));
  BOOST_TEST(kv_bytes("q8_0") < kv_bytes("f16"));
}

BOOST_AUTO_TEST_CASE(inspect_asks_for_the_types) {
  const auto report = [](const std::string& type) {
    InspectOptions options;
    options.model = kSourceDir + "/models/tiny-gpt2";
    options.plugin = kBinaryDir + "/lib/llorch/plugins/gpt2_cpu.so";
    options.context = 64;
    options.kv.both = type;
    std::ostringstream out;
    const auto done = inspect(options, out);
    BOOST_REQUIRE_MESSAGE(done, done.error().message);
    return out.str().substr(out.str().find("Memory for"));
  };
  BOOST_TEST(report("q8_0").find("64 tokens, KV cache q8_0\n") != std::string::npos, report("q8_0"));
  BOOST_TEST(report("f32").find("+ KV cache ") != std::string::npos);
  BOOST_TEST(report("f32").substr(report("f32").find("+ KV")) != report("f16").substr(report("f16").find("+ KV")));
}

BOOST_AUTO_TEST_CASE(what_is_not_supported_is_one_line_with_the_type_that_was_asked_for) {
  const llorch::Error refused = llorch::make_error(llorch::ErrorCode::kUnsupported, "no such type");
  BOOST_TEST(explain_refusal(refused, {"q8_0", "same", "same"}).message == "no such type (asked for: --kv-type q8_0)");
  BOOST_TEST(explain_refusal(refused, {}).message == "no such type");
  const llorch::Error other = llorch::make_error(llorch::ErrorCode::kOutOfMemory, "no memory");
  BOOST_TEST(explain_refusal(other, {"q8_0", "same", "same"}).message == "no memory");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
