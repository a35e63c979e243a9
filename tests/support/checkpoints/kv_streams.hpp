// Rung 3, continued: saving and loading through streams that move few bytes at a time, end early or fail. Through the
// bare C ABI, since the host's own streams are too well-behaved.
#pragma once

#include <dlfcn.h>

#include <cstring>

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

namespace llorch::testing::checkpoints {

/// A writer and reader over one buffer that moves at most `step` bytes a call and fails or ends after `limit`.
struct Stream {
  std::vector<unsigned char> bytes;
  std::uint64_t step = 1;
  std::uint64_t limit = ~std::uint64_t{0};
  std::int64_t at_limit = 0;  // 0: end, -1: failure
  std::uint64_t position = 0;

  static std::int64_t write(void* impl, const void* data, std::uint64_t n) {
    auto& self = *static_cast<Stream*>(impl);
    if (self.bytes.size() >= self.limit) return self.at_limit;
    const std::uint64_t count = std::min({n, self.step, self.limit - self.bytes.size()});
    const auto* from = static_cast<const unsigned char*>(data);
    self.bytes.insert(self.bytes.end(), from, from + count);
    return static_cast<std::int64_t>(count);
  }
  static std::int64_t read(void* impl, void* out, std::uint64_t n) {
    auto& self = *static_cast<Stream*>(impl);
    const std::uint64_t end = std::min<std::uint64_t>(self.limit, self.bytes.size());
    if (self.position >= end) return self.position >= self.limit ? self.at_limit : 0;
    const std::uint64_t count = std::min({n, self.step, end - self.position});
    std::memcpy(out, self.bytes.data() + self.position, count);
    self.position += count;
    return static_cast<std::int64_t>(count);
  }
  llorch_writer writer() { return {this, &write}; }
  llorch_reader reader() { return {this, &read}; }
};

/// The plugin's table without the host's classes.
struct RawPlugin {
  std::unique_ptr<llorch::model_file::ModelFile> file =
      take(llorch::model_file::ModelFile::open(llorch::testing::source_path(tested_models.front().path)));
  llorch_plugin* plugin = nullptr;
  const llorch_plugin_api* api = nullptr;
  llorch_model* model = nullptr;
  llorch_context* context = nullptr;

  RawPlugin() {
    void* library = ::dlopen(llorch::testing::plugin_path(plugin_name).c_str(), RTLD_NOW | RTLD_LOCAL);
    BOOST_REQUIRE_MESSAGE(library != nullptr, ::dlerror());
    const auto open = reinterpret_cast<decltype(&llorch_plugin_open)>(::dlsym(library, "llorch_plugin_open"));
    BOOST_REQUIRE_EQUAL(open(LLORCH_ABI_VERSION, nullptr, &plugin, &api, nullptr), LLORCH_OK);
    const llorch_model_params model_params{sizeof model_params, 0};
    BOOST_REQUIRE_EQUAL(api->model_create(plugin, &file->source(), &model_params, &model, nullptr), LLORCH_OK);
    llorch_context_params params{};
    params.struct_size = sizeof params;
    params.max_tokens = 64;
    params.max_seqs = 2;
    BOOST_REQUIRE_EQUAL(api->context_create(model, &params, &context, nullptr), LLORCH_OK);
  }
  ~RawPlugin() {
    api->context_destroy(context);
    api->model_destroy(model);
    api->close(plugin);
  }
  RawPlugin(const RawPlugin&) = delete;
  RawPlugin& operator=(const RawPlugin&) = delete;

  std::vector<float> forward(std::vector<std::int32_t> tokens, std::int32_t position, std::int32_t seq) {
    std::vector<std::int32_t> positions(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i)
      positions[i] = position + static_cast<std::int32_t>(i);
    const std::vector<std::int32_t> seqs(tokens.size(), seq);
    std::vector<std::uint32_t> flags(tokens.size(), 0);
    flags.back() = LLORCH_OUTPUT_LOGITS;
    const llorch_batch batch{sizeof batch,  static_cast<std::uint32_t>(tokens.size()),
                             tokens.data(), positions.data(),
                             seqs.data(),   flags.data()};
    llorch_output output{};
    output.struct_size = sizeof output;
    BOOST_REQUIRE_EQUAL(api->forward(context, &batch, &output, nullptr), LLORCH_OK);
    return {output.logits, output.logits + 211};
  }
  Stream saved(std::int32_t seq) {
    Stream out;
    out.step = 1U << 20U;
    const llorch_writer writer = out.writer();
    BOOST_REQUIRE_EQUAL(api->kv_seq_save(context, seq, &writer, nullptr), LLORCH_OK);
    return out;
  }
};

}  // namespace llorch::testing::checkpoints

BOOST_AUTO_TEST_SUITE(checkpoint_03_kv_streams,
                      *utf::depends_on("checkpoint_02_qkv") * utf::description("KV states through difficult streams"))

BOOST_FIXTURE_TEST_CASE(a_few_bytes_at_a_time_give_the_same_state_and_the_same_bytes_behind_it, RawPlugin) {
  forward(some_ids(21, 211), 0, 0);
  const Stream whole = saved(0);
  const std::vector<float> expected = forward({7}, 21, 0);
  for (const std::uint64_t step : {1, 3, 7, 4096}) {
    BOOST_REQUIRE_EQUAL(api->kv_seq_remove(context, 0, 21, -1, nullptr), LLORCH_OK);
    Stream stream;
    stream.step = step;
    const llorch_writer writer = stream.writer();
    BOOST_REQUIRE_EQUAL(api->kv_seq_save(context, 0, &writer, nullptr), LLORCH_OK);
    BOOST_TEST((stream.bytes == whole.bytes), "written " << step << " bytes at a time");
    const llorch_reader reader = stream.reader();
    BOOST_REQUIRE_EQUAL(api->kv_seq_load(context, 1, &reader, nullptr), LLORCH_OK);
    BOOST_TEST(stream.position == whole.bytes.size(), "read more or less than was written");
    const std::vector<float> logits = forward({7}, 21, 1);
    BOOST_TEST(same_bytes(std::span(logits), std::span(expected)));
    BOOST_REQUIRE_EQUAL(api->kv_seq_remove(context, 1, -1, -1, nullptr), LLORCH_OK);
  }
}

BOOST_FIXTURE_TEST_CASE(a_state_may_stand_in_the_middle_of_a_longer_stream, RawPlugin) {
  forward(some_ids(9, 211), 0, 0);
  Stream stream = saved(0);
  const std::size_t size = stream.bytes.size();
  stream.bytes.insert(stream.bytes.end(), 100, 0xEE);
  const llorch_reader reader = stream.reader();
  BOOST_TEST(api->kv_seq_load(context, 1, &reader, nullptr) == LLORCH_OK);
  BOOST_TEST(stream.position == size);
}

BOOST_FIXTURE_TEST_CASE(a_writer_that_ends_or_fails_anywhere_is_an_error_and_changes_nothing, RawPlugin) {
  forward(some_ids(5, 211), 0, 0);
  const Stream whole = saved(0);
  for (const std::int64_t at_limit : {0, -1}) {
    for (std::uint64_t limit = 0; limit < whole.bytes.size(); limit += limit < 128 ? 1 : 211) {
      Stream stream;
      stream.step = 64;
      stream.limit = limit;
      stream.at_limit = at_limit;
      const llorch_writer writer = stream.writer();
      llorch_error error{};
      error.struct_size = sizeof error;
      BOOST_REQUIRE_EQUAL(api->kv_seq_save(context, 0, &writer, &error), LLORCH_DEVICE_ERROR);
      BOOST_REQUIRE(error.message[0] != '\0');
    }
  }
  BOOST_TEST((saved(0).bytes == whole.bytes));
}

BOOST_FIXTURE_TEST_CASE(a_reader_that_fails_is_a_device_error_and_one_that_ends_a_bad_state, RawPlugin) {
  forward(some_ids(5, 211), 0, 0);
  forward(some_ids(8, 211, 3), 0, 1);
  const Stream whole = saved(0);
  const Stream target = saved(1);
  for (const std::int64_t at_limit : {0, -1}) {
    for (std::uint64_t limit = 0; limit < whole.bytes.size(); limit += limit < 128 ? 1 : 211) {
      Stream stream = whole;
      stream.step = 50;
      stream.limit = limit;
      stream.at_limit = at_limit;
      const llorch_reader reader = stream.reader();
      BOOST_REQUIRE_EQUAL(api->kv_seq_load(context, 1, &reader, nullptr),
                          at_limit == 0 ? LLORCH_BAD_STATE : LLORCH_DEVICE_ERROR);
    }
  }
  BOOST_TEST((saved(1).bytes == target.bytes));
}

BOOST_AUTO_TEST_SUITE_END()
