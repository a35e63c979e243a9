// Whatever a plugin does at the boundary, the host gets a named error and lives.
#include <atomic>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "plugin/plugin.hpp"
#include "support/memory_source.hpp"

namespace fs = std::filesystem;
using llorch::ErrorCode;
using llorch::plugin::Context;
using llorch::plugin::ContextParams;
using llorch::plugin::Plugin;
using llorch::testing::MemorySource;

namespace {

const fs::path misbehaving_file = fs::path(LLORCH_BINARY_DIR) / "lib/llorch/test_plugins/misbehaving.so";

std::shared_ptr<Plugin> misbehaving(const std::string& how) {
  auto loaded = Plugin::load(misbehaving_file, {{"misbehave", how}});
  BOOST_REQUIRE_MESSAGE(loaded, loaded.error().message);
  return *loaded;
}

struct TinyModel {
  MemorySource source;
  TinyModel() { MemorySource::make_tiny(source, 11, 4, 16); }
  std::unique_ptr<Context> context(const std::shared_ptr<Plugin>& plugin) const {
    auto model = plugin->create_model(source.source());
    BOOST_REQUIRE_MESSAGE(model, model.error().message);
    ContextParams params;
    params.max_tokens = 16;
    params.max_batch_tokens = 8;
    params.max_output_rows = 8;
    auto made = (*model)->create_context(params);
    BOOST_REQUIRE_MESSAGE(made, made.error().message);
    return std::move(*made);
  }
};

llorch::Result<llorch::plugin::Output> forward_one(Context& context) {
  const std::int32_t token[] = {3};
  const std::int32_t position[] = {0};
  const std::int32_t seq[] = {0};
  const std::uint32_t flags[] = {LLORCH_OUTPUT_LOGITS};
  return context.forward(token, position, seq, flags);
}

struct Expectation {
  const char* how;
  ErrorCode code;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const Expectation& e) {
  return out << e.how;
}

const std::vector<Expectation> forward_expectations = {
    {"throw", ErrorCode::kInternal, "misbehaving: forward threw across the ABI: forward broke"},
    {"throw int", ErrorCode::kInternal, "misbehaving: forward threw across the ABI: an unknown exception"},
    {"guarded throw", ErrorCode::kInternal, "misbehaving: forward: forward broke inside the guard"},
    {"guarded bad_alloc", ErrorCode::kOutOfMemory, "misbehaving: forward: out of memory"},
    {"guarded int", ErrorCode::kInternal, "misbehaving: forward: unknown exception"},
    {"unknown error", ErrorCode::kInternal, "misbehaving: forward: status -77"},
    {"unknown retry", ErrorCode::kResourceExhausted, "misbehaving: forward: status 9"},
    {"endless message", ErrorCode::kInternal, "misbehaving: forward: xxxx"},
    {"wrong rows", ErrorCode::kInternal, "misbehaving: forward gave 2 rows"},
    {"no logits", ErrorCode::kInternal, "misbehaving: forward gave 1 rows of stride 11, expected 1"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(boundary)

BOOST_DATA_TEST_CASE_F(TinyModel, a_forward_that_fails_in_any_way_is_an_error_that_names_plugin_and_function,
                       boost::unit_test::data::make(forward_expectations)) {
  const auto opened = context(misbehaving(sample.how));
  const auto result = forward_one(*opened);
  BOOST_REQUIRE(!result);
  BOOST_TEST(result.error().message.find(sample.message) == 0U,
             "expected \"" << sample.message << "\", found \"" << result.error().message << '"');
  BOOST_TEST(llorch::to_string(result.error().code) == llorch::to_string(sample.code));
}

BOOST_FIXTURE_TEST_CASE(a_throwing_creation_is_an_error, TinyModel) {
  const auto result = misbehaving("create throws")->create_model(source.source());
  BOOST_REQUIRE(!result);
  BOOST_TEST(result.error().message == "misbehaving: model_create threw across the ABI: create broke");
}

BOOST_FIXTURE_TEST_CASE(a_plugin_without_a_device_is_listed_and_says_why_it_makes_no_model, TinyModel) {
  const auto plugin = misbehaving("no device");
  BOOST_TEST(plugin->devices().empty());
  BOOST_TEST(plugin->why_no_device() == R"(no driver\x0ais installed)");
  ContextParams params;
  params.max_tokens = 4;
  for (const auto& message :
       {plugin->create_model(source.source()).error().message,
        plugin->estimate_memory(source.source(), params).error().message, plugin->use_device(0).error().message}) {
    BOOST_TEST(message == R"(misbehaving: no device: no driver\x0ais installed)");
  }
}

BOOST_FIXTURE_TEST_CASE(a_device_is_chosen_by_its_index, TinyModel) {
  const auto plugin = misbehaving("nothing");
  BOOST_TEST(plugin->why_no_device() == "");
  BOOST_TEST(plugin->use_device(0).has_value());
  const auto beyond = plugin->use_device(1);
  BOOST_REQUIRE(!beyond);
  BOOST_TEST((beyond.error().code == ErrorCode::kNotFound));
  BOOST_TEST(beyond.error().message == "misbehaving: no device 1: expected 0 to 0");
}

BOOST_FIXTURE_TEST_CASE(memory_on_a_gpu_counts_as_device_memory_but_for_what_it_takes_of_the_host, TinyModel) {
  constexpr std::uint64_t kStaged = 1000;  // what the plugin says it has there
  const auto without = context(misbehaving("nothing"))->memory_usage();
  BOOST_REQUIRE_MESSAGE(without, without.error().message);
  BOOST_TEST(without->total() > 0U);
  BOOST_TEST(without->device_bytes == 0U);
  const auto with = context(misbehaving("on a gpu"))->memory_usage();
  BOOST_REQUIRE_MESSAGE(with, with.error().message);
  BOOST_TEST(with->device_bytes == without->total());
  BOOST_TEST(with->total() == without->total() + kStaged);
}

BOOST_FIXTURE_TEST_CASE(ok_without_a_handle_is_an_error, TinyModel) {
  const auto no_model = misbehaving("no model")->create_model(source.source());
  BOOST_REQUIRE(!no_model);
  BOOST_TEST(no_model.error().message == "misbehaving: model_create answered OK without a model");
  const auto model = misbehaving("no context")->create_model(source.source());
  BOOST_REQUIRE(model.has_value());
  ContextParams params;
  params.max_tokens = 4;
  const auto no_context = (*model)->create_context(params);
  BOOST_REQUIRE(!no_context);
  BOOST_TEST(no_context.error().message == "misbehaving: context_create answered OK without a context");
}

BOOST_FIXTURE_TEST_CASE(a_failed_allocation_keeps_its_code_and_its_words, TinyModel) {
  const auto model = misbehaving("no memory")->create_model(source.source());
  BOOST_REQUIRE(model.has_value());
  ContextParams params;
  params.max_tokens = 4;
  const auto context = (*model)->create_context(params);
  BOOST_REQUIRE(!context);
  BOOST_TEST((context.error().code == ErrorCode::kOutOfMemory));
  BOOST_TEST(context.error().message == "misbehaving: context_create: no 12 GiB for the cache");
}

BOOST_FIXTURE_TEST_CASE(a_throwing_destructor_is_swallowed_at_the_boundary, TinyModel) {
  { const auto context = this->context(misbehaving("destroy throws")); }
  BOOST_TEST(forward_one(*context(misbehaving(""))).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_probe_without_a_vocabulary_is_refused, TinyModel) {
  const auto info = misbehaving("empty probe")->probe(source.source());
  BOOST_REQUIRE(!info);
  BOOST_TEST(info.error().message.find("vocab_size 0") != std::string::npos, info.error().message);
}

BOOST_FIXTURE_TEST_CASE(a_table_longer_than_version_1_is_accepted, TinyModel) {
  // misbehaving.so's table ends in 96 bytes of poison, as a later version's members would look to this host.
  BOOST_TEST(forward_one(*context(misbehaving(""))).has_value());
}

BOOST_FIXTURE_TEST_CASE(spans_of_different_lengths_never_reach_the_plugin, TinyModel) {
  const auto opened = context(misbehaving("throw"));
  const std::int32_t two[] = {1, 2};
  const std::int32_t one[] = {0};
  const std::uint32_t flags[] = {0, 1};
  const auto result = opened->forward(two, two, one, flags);
  BOOST_REQUIRE(!result);
  BOOST_TEST((result.error().code == ErrorCode::kInvalidArgument));
}

BOOST_FIXTURE_TEST_CASE(the_flag_cancels_a_forward_and_leaves_the_state, TinyModel) {
  const auto opened = context(misbehaving(""));
  opened->set_cancelled(true);
  const auto cancelled = forward_one(*opened);
  BOOST_REQUIRE(!cancelled);
  BOOST_TEST((cancelled.error().code == ErrorCode::kCancelled));
  BOOST_TEST(!opened->kv_seq_range(0)->has_value());
  opened->set_cancelled(false);
  BOOST_TEST(forward_one(*opened).has_value());
}

BOOST_FIXTURE_TEST_CASE(an_exception_of_a_tap_ends_the_forward_and_comes_back_to_its_owner, TinyModel) {
  const auto opened = context(misbehaving(""));
  BOOST_REQUIRE(opened
                    ->set_tap(1U << LLORCH_TAP_EMBED, 0, 1,
                              [](const llorch_tap_event&) -> bool { throw std::out_of_range("mine"); })
                    .has_value());
  BOOST_CHECK_THROW((void)forward_one(*opened), std::out_of_range);
  BOOST_TEST(!opened->kv_seq_range(0)->has_value());
  BOOST_REQUIRE(opened->set_tap(0, 0, 0, nullptr).has_value());
  BOOST_TEST(forward_one(*opened).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_context_keeps_its_model_and_plugin_alive, TinyModel) {
  std::weak_ptr<Plugin> watched;
  {
    auto plugin = misbehaving("");
    watched = plugin;
    auto opened = context(plugin);
    plugin.reset();
    BOOST_TEST(!watched.expired());
    BOOST_TEST(forward_one(*opened).has_value());
  }
  BOOST_TEST(watched.expired());
}

BOOST_AUTO_TEST_SUITE_END()
