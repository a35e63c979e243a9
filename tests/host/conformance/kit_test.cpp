// The kit on plugins that keep every rule and on plugins that break one.
#include "conformance/kit.hpp"

#include <llorch/llorch_plugin.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using llorch::conformance::all_rules;
using llorch::conformance::Options;
using llorch::conformance::Report;
using llorch::conformance::RuleResult;
using llorch::conformance::Stage;
using llorch::conformance::validate;
using llorch::conformance::Verdict;

namespace {

const fs::path lib = fs::path(LLORCH_BINARY_DIR) / "lib/llorch";
const fs::path source_dir = LLORCH_SOURCE_DIR;

/// LLORCH_BROKEN for the plugins of plugins/broken.cpp, as long as this object lives.
struct WithFault {
  explicit WithFault(const char* fault) { ::setenv("LLORCH_BROKEN", fault, 1); }
  ~WithFault() { ::unsetenv("LLORCH_BROKEN"); }
  WithFault(const WithFault&) = delete;
  WithFault& operator=(const WithFault&) = delete;
};

Report report_on(const fs::path& plugin, const fs::path& model = {}, int seconds = 120, std::uint32_t kv_k = 0,
                 std::uint32_t kv_v = 0) {
  Options options;
  options.kv_dtype_k = kv_k;
  options.kv_dtype_v = kv_v;
  options.plugin = plugin;
  options.model = model;
  options.limit = std::chrono::seconds(seconds);
  const auto report = validate(options);
  BOOST_REQUIRE_MESSAGE(report, report.error().message);
  return *report;
}

bool is_skipped_for_a_sanitizer(const RuleResult& result) {
  return result.verdict == Verdict::kSkipped && result.detail.starts_with("a sanitizer");
}

/// "K-22: what it said" for each failed rule.
std::string failures(const Report& report) {
  std::string out;
  for (const RuleResult& result : report.results) {
    if (result.verdict == Verdict::kFailed) out += std::string(result.rule.id) + ": " + result.detail + "\n";
  }
  return out;
}

void check_all_passed(const Report& report) {
  BOOST_TEST(report.results.size() == all_rules().size());
  for (const RuleResult& result : report.results) {
    BOOST_TEST((result.verdict == Verdict::kPassed || is_skipped_for_a_sanitizer(result)),
               report.plugin << ", " << report.model << ": " << result.rule.id << " " << result.rule.title << ": "
                             << result.detail);
  }
}

/// Exactly this rule fails, and says `words`. What rests on it is skipped.
void check_only(const Report& report, const std::string& id, const std::string& words) {
  for (const RuleResult& result : report.results) {
    if (result.rule.id == id && is_skipped_for_a_sanitizer(result)) return;
    const bool expected = result.rule.id == id;
    BOOST_TEST((result.verdict == Verdict::kFailed) == expected,
               result.rule.id << (expected ? " did not fail" : " failed: ") << result.detail);
    if (expected) {
      BOOST_TEST(result.detail.find(words) != std::string::npos,
                 "expected \"" << words << "\", found \"" << result.detail << '"');
    }
  }
  BOOST_TEST(!report.conforms());
}

struct PluginAndModel {
  const char* plugin;
  const char* model;
};
std::ostream& operator<<(std::ostream& out, const PluginAndModel& pair) {
  return out << pair.plugin << " on " << pair.model;
}
const std::vector<PluginAndModel> model_files = {{"gpt2_cpu.so", "models/tiny-gpt2"},
                                                 {"gpt2_cpu.so", "tests/fixtures/gpt2_random.gguf"},
                                                 {"gpt2_cpu.so", "tests/fixtures/gpt2_random_f16"},
                                                 {"llama2_cpu.so", "models/tiny-llama2.gguf"},
                                                 {"llama2_cpu.so", "tests/fixtures/llama_random_yarn"},
                                                 {"llama2_cpu.so", "tests/fixtures/mistral_random"},
                                                 {"llama2_cpu.so", "tests/fixtures/quantized/q4_k_m.gguf"}};

struct Fault {
  const char* fault;
  const char* rule;
  const char* words;
};
std::ostream& operator<<(std::ostream& out, const Fault& fault) {
  return out << fault.fault;
}
const std::vector<Fault> faults = {
    {"query counts", "K-04", "two different answers"},
    {"query leaves traces", "K-05", "the environment was changed: LLORCH_BROKEN_WAS_HERE"},
    {"any version opened", "K-06", "expected UNSUPPORTED, found OK"},
    {"function missing", "K-07", "function 2 of the table is NULL"},
    {"endless devices", "K-08", "then NOT_FOUND, found more"},
    {"whole info", "K-09", "llorch_plugin_query wrote behind the end"},
    {"probe reads weights", "K-10", "bytes of weights"},
    {"not a number", "K-11", "row 0 of the logits holds nan"},
    {"sizes compared", "K-12", "end with max_tokens"},
    {"whole answers", "K-13", "kv_usage wrote behind the end"},
    {"missing tensor accepted", "K-14", "without tensor token_embd.weight: accepted"},
    {"any shape accepted", "K-15", "token_embd.weight with one dimension more: accepted"},
    {"any type accepted", "K-16", "element type 0x11a: accepted"},
    {"crashes on a key", "K-17", "the plugin crashed: signal 6"},
    {"exits on a key", "K-17", "the plugin ended the process with exit code 0"},
    {"failed reads ignored", "K-18", "expected DEVICE_ERROR, found OK"},
    {"source kept", "K-19", "the source is gone"},
    {"no tokens accepted", "K-20", "max_tokens 0: expected INVALID_ARGUMENT, found OK"},
    {"dies without memory", "K-21", "the plugin crashed"},
    {"negative tokens accepted", "K-22", "token -1: expected INVALID_ARGUMENT, found OK"},
    {"flags masked", "K-23", "expected UNSUPPORTED, found OK"},
    {"half appended", "K-24", "after NO_KV_SPACE"},
    {"never cancelled", "K-25", "expected CANCELLED, found OK"},
    {"one too few removed", "K-26", "expected 0 to 22, found 0 to 23"},
    {"any shift accepted", "K-27", "expected INVALID_ARGUMENT, found OK"},
    {"copies share", "K-28", "differ"},
    {"reads too much", "K-29", "bytes of a state of"},
    {"damage clears", "K-30", "after a state cut to 0"},
    {"full disk ignored", "K-31", "expected DEVICE_ERROR, found OK"},
    {"rows reversed", "K-32", "of a batch against all"},
    {"pairs differ", "K-33", "2 tokens at a time"},
    {"sequences mix", "K-34", "in one batch against each alone"},
    {"taps move", "K-35", "logits with taps are not the bytes"},
    {"threads move", "K-36", "7 threads against one"},
    {"half the memory", "K-37", "memory_usage"},
    {"half of all memory", "K-37", "were taken"},
    {"twice all memory", "K-37", "only"},
    {"leaks", "K-38", "more bytes of the heap are in use after each 20"},
    {"keeps a list of all", "K-38", "more bytes of the heap are in use after 100"},
#ifndef LLORCH_SANITIZED  // whose allocator keeps what was freed: mappings say nothing there
    {"leaks mapped pages", "K-38", "more bytes are mapped after each"},
#endif
    {"contexts share", "K-39", "beside others"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(kit)

BOOST_DATA_TEST_CASE(a_plugin_of_the_project_keeps_every_rule,
                     boost::unit_test::data::make(std::vector<fs::path>{lib / "plugins/gpt2_cpu.so",
                                                                        lib / "plugins/llama2_cpu.so",
                                                                        lib / "examples/bag_of_words.so"})) {
  check_all_passed(report_on(sample));
}

BOOST_DATA_TEST_CASE(a_plugin_of_the_project_keeps_every_rule_with_narrow_caches,
                     boost::unit_test::data::make(std::vector<fs::path>{lib / "plugins/gpt2_cpu.so",
                                                                        lib / "plugins/llama2_cpu.so"})) {
  check_all_passed(report_on(sample, {}, 120, LLORCH_DTYPE_F16, LLORCH_DTYPE_Q8_0));
  check_all_passed(report_on(sample, {}, 120, LLORCH_DTYPE_Q8_0, LLORCH_DTYPE_F16));
}

BOOST_DATA_TEST_CASE(a_plugin_keeps_every_rule_on_a_model_file_too, boost::unit_test::data::make(model_files)) {
  check_all_passed(report_on(lib / "plugins" / sample.plugin, source_dir / sample.model));
}

BOOST_AUTO_TEST_CASE(the_test_plugin_without_a_fault_keeps_every_rule) {
  check_all_passed(report_on(lib / "test_plugins/broken.so"));
}

BOOST_DATA_TEST_CASE(a_broken_plugin_fails_exactly_its_rule, boost::unit_test::data::make(faults)) {
  const WithFault broken(sample.fault);
  check_only(report_on(lib / "test_plugins/broken.so"), sample.rule, sample.words);
}

BOOST_AUTO_TEST_CASE(a_plugin_that_hangs_fails_the_rule_and_not_the_run) {
  const WithFault broken("hangs on a key");
  Options options;
  options.plugin = lib / "test_plugins/broken.so";
  options.only = {"K-17"};
  options.limit = std::chrono::seconds(5);
  const auto report = validate(options);
  BOOST_REQUIRE(report.has_value());
  check_only(*report, "K-17", "it hangs");
}

BOOST_AUTO_TEST_CASE(a_plugin_that_shows_more_symbols_fails_the_first_rule_only) {
  check_only(report_on(lib / "test_plugins/broken_shows_more.so"), "K-01",
             "is visible: expected llorch_plugin_query and");
}

BOOST_AUTO_TEST_CASE(a_plugin_that_lacks_a_symbol_is_not_loaded_and_the_rest_is_skipped) {
  const Report report = report_on(lib / "test_plugins/broken_lacks_a_symbol.so");
  check_only(report, "K-02", "llorch_test_base_symbol");
  BOOST_TEST(report.count(Verdict::kPassed) == 1U, failures(report));
  BOOST_TEST(report.results.back().detail == "it rests on K-02, which failed");
}

BOOST_AUTO_TEST_CASE(a_plugin_that_can_be_unloaded_fails_that_rule_only) {
  check_only(report_on(lib / "test_plugins/broken_is_unloaded.so"), "K-03", "nodelete");
}

BOOST_AUTO_TEST_CASE(rules_about_capabilities_that_are_absent_are_skipped_by_name) {
  const WithFault broken("no capabilities");
  const Report report = report_on(lib / "test_plugins/broken.so");
  BOOST_TEST(report.conforms(), failures(report));
  std::set<std::string> skipped;
  for (const RuleResult& result : report.results) {
    if (result.verdict != Verdict::kSkipped || is_skipped_for_a_sanitizer(result)) continue;
    skipped.insert(result.rule.id);
    BOOST_TEST(result.detail.find("LLORCH_CAP_") != std::string::npos, result.detail);
  }
  const std::set<std::string> expected = {"K-27", "K-28", "K-29", "K-30", "K-31", "K-34"};
  BOOST_TEST(skipped == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_model_that_the_plugin_refuses_fails_one_rule_with_its_reason) {
  check_only(report_on(lib / "plugins/llama2_cpu.so", source_dir / "models/tiny-gpt2"), "K-10",
             "expected llama, found gpt2");
}

BOOST_AUTO_TEST_CASE(what_is_no_plugin_or_no_model_or_no_rule_is_an_error_before_anything_runs) {
  Options options;
  options.plugin = source_dir / "README.md";
  BOOST_TEST(validate(options).error().message.find("a text file") != std::string::npos);
  options.plugin = lib / "plugins/gpt2_cpu.so";
  options.model = source_dir / "no_such_model";
  BOOST_TEST(validate(options).error().message.find("no_such_model") != std::string::npos);
  options.model.clear();
  options.only = {"K-00"};
  BOOST_TEST(validate(options).error().message == "no rule K-00: expected K-01 to K-39");
}

BOOST_AUTO_TEST_CASE(a_type_of_the_cache_that_the_plugin_lacks_is_an_error_and_no_failed_rule) {
  Options options;
  options.plugin = lib / "examples/bag_of_words.so";
  options.kv_dtype_v = LLORCH_DTYPE_Q8_0;
  const auto report = validate(options);
  BOOST_TEST_REQUIRE(report.has_error());
  const std::string& message = report.error().message;
  BOOST_TEST(message.starts_with("--kv-type: "), message);
  BOOST_TEST(message.find("UNSUPPORTED (the cache has no dtype to choose)") != std::string::npos, message);
  BOOST_TEST(message.find('\n') == std::string::npos, message);
}

BOOST_AUTO_TEST_CASE(without_a_device_the_rules_that_need_a_model_are_skipped_and_say_why) {
  const WithFault broken("no device");
  const Report report = report_on(lib / "test_plugins/broken.so");
  BOOST_TEST(failures(report) == "");
  for (const RuleResult& result : report.results) {
    const bool skipped = result.rule.id == std::string("K-08") || result.rule.needs > Stage::kModel;
    BOOST_TEST((result.verdict == Verdict::kSkipped) == skipped, result.rule.id << ": " << result.detail);
    if (skipped) BOOST_TEST(result.detail == "no device here: no driver is installed", result.rule.id);
  }
}

BOOST_AUTO_TEST_CASE(every_rule_has_the_next_number_and_a_line_in_the_documentation) {
  std::ifstream file(source_dir / "docs/conformance.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  int number = 0;
  for (const auto& rule : all_rules()) {
    std::ostringstream id;
    ++number;
    id << "K-" << (number < 10 ? "0" : "") << number;
    BOOST_TEST(rule.id == id.str());
    const std::string row = "\n| " + id.str() + (rule.needs_model() ? " | x | " : " | | ");
    BOOST_TEST(page.find(row) != std::string::npos, "docs/conformance.md has no row that begins with" << row);
  }
}

BOOST_AUTO_TEST_SUITE_END()
