#include "tools/bench.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>

#include "support/fake_model.hpp"
#include "tools/bench_report.hpp"

using namespace llorch;
using namespace llorch::tools;
using test::FakeModel;
using test::FakeRow;

namespace {

using Kind = BenchTest::Kind;

const auto kSilent = [](const BenchTest&, std::uint32_t) {};

BenchReport some_report() {
  BenchReport report;
  report.model = "some.gguf";
  report.architecture = "gpt2";
  report.plugin = "gpt2_cpu";
  report.work = {.parameters = 1100,
                 .file_bytes = 4400,
                 .block_weights = 1000,
                 .head_weights = 100,
                 .bytes_per_token = 4400,
                 .attention_per_position = 10};
  report.limits = {{.threads = 2, .read_bytes_per_second = 1e6, .flops_per_second = 1e6, .instructions = "baseline"}};
  report.results = {{.test = {Kind::kPrompt, 4}, .threads = 2, .seconds = {1, 1}, .mean = 4, .stddev = 0, .median = 4},
                    {.test = {Kind::kGeneration, 4},
                     .threads = 2,
                     .seconds = {2, 2},
                     .kv_bytes_per_token = 80,
                     .mean = 2,
                     .stddev = 0,
                     .median = 2}};
  return report;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tools_bench)

BOOST_AUTO_TEST_CASE(a_prompt_runs_in_chunks_from_an_empty_cache_and_wants_the_last_logits) {
  FakeModel model(300, 64);
  const auto results =
      measure(model, {.tests = {{Kind::kPrompt, 10}}, .threads = {3}, .repetitions = 2, .batch_tokens = 4}, kSilent);
  BOOST_REQUIRE(results.has_value());
  BOOST_TEST(model.breaches().empty());
  BOOST_TEST(model.context_params().n_threads == 3U);
  const auto calls = model.calls();
  BOOST_REQUIRE_EQUAL(calls.size(), 9U);  // warm-up and two repetitions of 4 + 4 + 2 rows
  for (std::size_t i = 0; i < calls.size(); ++i) {
    BOOST_TEST(calls[i].size() == (i % 3 == 2 ? 2U : 4U));
    BOOST_TEST(calls[i].front().position == static_cast<std::int32_t>(i % 3 * 4));
    for (const FakeRow& row : calls[i]) {
      BOOST_TEST(row.output == (row.position == 9));
    }
  }
  BOOST_REQUIRE_EQUAL(results->size(), 1U);
  BOOST_TEST(results->front().seconds.size() == 2U);
  BOOST_TEST(results->front().kv_bytes_per_token == 8.0);
}

BOOST_AUTO_TEST_CASE(generation_runs_one_token_a_call_with_logits_each) {
  FakeModel model(300, 64);
  const auto results = measure(model, {.tests = {{Kind::kGeneration, 5}}, .threads = {1}, .repetitions = 3}, kSilent);
  BOOST_REQUIRE(results.has_value());
  BOOST_TEST(model.breaches().empty());
  const auto calls = model.calls();
  BOOST_REQUIRE_EQUAL(calls.size(), 16U);  // one token to warm up
  for (std::size_t i = 1; i < calls.size(); ++i) {
    BOOST_REQUIRE_EQUAL(calls[i].size(), 1U);
    BOOST_TEST(calls[i].front().position == static_cast<std::int32_t>((i - 1) % 5));
    BOOST_TEST(calls[i].front().output);
  }
}

BOOST_AUTO_TEST_CASE(every_test_runs_with_every_number_of_threads) {
  FakeModel model(300, 64);
  std::vector<std::string> order;
  const auto results = measure(
      model, {.tests = {{Kind::kPrompt, 8}, {Kind::kGeneration, 2}}, .threads = {1, 2}, .repetitions = 1},
      [&](const BenchTest& t, std::uint32_t threads) { order.push_back(t.name() + "/" + std::to_string(threads)); });
  BOOST_REQUIRE(results.has_value());
  BOOST_TEST(order == (std::vector<std::string>{"pp8/1", "tg2/1", "pp8/2", "tg2/2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_test_beyond_the_context_is_refused_with_both_numbers) {
  FakeModel model(300, 64);
  const auto results = measure(model, {.tests = {{Kind::kPrompt, 65}}, .threads = {1}}, kSilent);
  BOOST_REQUIRE(!results);
  BOOST_TEST((results.error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST(results.error().message.find("at most 64") != std::string::npos, results.error().message);
  BOOST_TEST(results.error().message.find("65") != std::string::npos, results.error().message);
}

BOOST_AUTO_TEST_CASE(a_failing_plugin_ends_the_measurement_with_its_error) {
  FakeModel model(300, 64);
  model.hook = [](std::span<const FakeRow>) { return test::FakeAction::kDeviceError; };
  const auto results = measure(model, {.tests = {{Kind::kPrompt, 6}}, .threads = {1}}, kSilent);
  BOOST_REQUIRE(!results);
  BOOST_TEST((results.error().code == ErrorCode::kIo));
}

BOOST_AUTO_TEST_CASE(work_is_counted_as_defined) {
  const auto report = some_report();
  // 4 tokens see 1 + 2 + 3 + 4 = 10 positions.
  BOOST_TEST(report.work.prompt_flops(4) == 2.0 * (4 * 1000 + 100 + 10 * 10));
  BOOST_TEST(report.work.generation_flops(4) == 2.0 * (4 * 1100 + 10 * 10));
  BOOST_TEST(report.work.generation_bytes(4, 80) == 4 * 4400 + 10 * 80.0);
}

BOOST_AUTO_TEST_CASE(work_of_a_gpt2_is_what_its_shape_says) {
  const auto file = model_file::ModelFile::open(LLORCH_SOURCE_DIR "/tests/fixtures/gpt2_random");
  BOOST_REQUIRE_MESSAGE(file.has_value(), (file ? "" : file.error().message));
  const auto work = count_work(**file);
  BOOST_REQUIRE(work.has_value());
  constexpr std::uint64_t kLayers = 3, kDim = 60, kFfn = 151, kVocab = 211, kPositions = 40;
  constexpr std::uint64_t kBlock = 3 * kDim * kDim + kDim * kDim + 2 * kDim * kFfn;
  constexpr std::uint64_t kVectors = kLayers * (4 * kDim + 3 * kDim + kDim + kFfn + kDim) + 2 * kDim;
  BOOST_TEST(work->block_weights == kLayers * kBlock);
  BOOST_TEST(work->head_weights == kVocab * kDim);  // tied to the token embedding
  BOOST_TEST(work->parameters == kLayers * kBlock + kVectors + (kVocab + kPositions) * kDim);
  BOOST_TEST(work->file_bytes == 4 * work->parameters);
  BOOST_TEST(work->bytes_per_token == 4 * (kLayers * kBlock + kVectors + kVocab * kDim));
  BOOST_TEST(work->attention_per_position == 2 * kLayers * kDim);
}

BOOST_AUTO_TEST_CASE(figures_come_from_the_median_and_the_binding_limit) {
  const auto report = some_report();
  const auto prompt = figures(report, report.results[0]);  // 8400 operations in a second
  BOOST_TEST(std::abs(prompt.gflops - 8400e-9) < 1e-12);
  BOOST_TEST(prompt.gbytes == 0.0);
  BOOST_TEST(std::abs(prompt.share - 8400e-6) < 1e-9);
  const auto generation = figures(report, report.results[1]);  // 18400 bytes in two seconds
  BOOST_TEST(std::abs(generation.gbytes - 9200e-9) < 1e-12);
  BOOST_TEST(std::abs(generation.share - 9200e-6) < 1e-9);
  auto unlimited = report;
  unlimited.limits.clear();
  BOOST_TEST(figures(unlimited, report.results[1]).share == 0.0);
}

BOOST_AUTO_TEST_CASE(the_table_and_the_json_tell_the_same) {
  const auto report = some_report();
  const std::string table = to_markdown(report);
  BOOST_TEST(table.find("| 2 | pp4 | 4.00 ± 0.00 | 4.00 | 250.000 | - |") != std::string::npos, table);
  BOOST_TEST(table.find("| 2 | tg4 | 2.00 ± 0.00 | 2.00 | 500.000 |") != std::string::npos, table);
  const auto json = boost::json::parse(boost::json::serialize(to_json(report)));
  BOOST_TEST(json.at("results").as_array().size() == 2U);
  BOOST_TEST(json.at("results").at(0).at("test").as_string() == "pp4");
  BOOST_TEST(json.at("results").at(0).at("gbytes_per_second").is_null());
  BOOST_TEST(json.at("results").at(1).at("n_gen").to_number<int>() == 4);
  BOOST_TEST(json.at("results").at(1).at("median_ts").to_number<double>() == 2.0);
  BOOST_TEST(json.at("limits").at(0).at("threads").to_number<int>() == 2);
}

BOOST_AUTO_TEST_CASE(nothing_to_measure_is_an_error) {
  std::ostringstream out;
  BenchOptions options;
  options.model = "none";
  options.prompt = options.generation = {0};
  const auto done = bench(options, out, [](const std::string&) {});
  BOOST_REQUIRE(!done);
  BOOST_TEST((done.error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST(out.str().empty());
}

BOOST_AUTO_TEST_CASE(the_limits_of_this_machine_are_numbers) {
  const auto limits = measure_limits(1);
  BOOST_REQUIRE_MESSAGE(limits, limits.error().message);
  BOOST_TEST(limits->read_bytes_per_second > 1e7);
  BOOST_TEST(limits->flops_per_second > 1e7);
  BOOST_TEST(limits->buffer_bytes >= 256ULL << 20);
  BOOST_TEST(!limits->instructions.empty());
}

BOOST_AUTO_TEST_SUITE_END()
