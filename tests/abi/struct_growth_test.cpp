// Older and newer callers: structs that end early and structs that go on, with poison behind what version 1 knows.
#include <dlfcn.h>
#include <llorch/llorch_plugin.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "support/memory_source.hpp"

using llorch::testing::MemorySource;

namespace {

constexpr unsigned char kPoison = 0xA5;

/// A struct T inside poisoned memory: `size` is what it claims, everything from there on must stay poison.
template <class T>
class Poisoned {
 public:
  explicit Poisoned(std::size_t size, const T& content = {}) : size_(size), bytes_(sizeof(T) + 128, kPoison) {
    std::memcpy(bytes_.data(), &content, std::min(size, sizeof(T)));
    get()->struct_size = static_cast<std::uint32_t>(size);
  }
  T* get() { return reinterpret_cast<T*>(bytes_.data()); }
  /// Is every byte from `end` on as it was?
  [[nodiscard]] bool untouched_from(std::size_t end) const {
    return std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(end), bytes_.end(),
                       [](unsigned char b) { return b == kPoison; });
  }
  [[nodiscard]] bool untouched_behind() const { return untouched_from(std::min(size_, bytes_.size())); }

 private:
  std::size_t size_;
  std::vector<unsigned char> bytes_;
};

/// The template plugin through the bare C ABI.
struct RawPlugin {
  void* library = ::dlopen((std::string(LLORCH_BINARY_DIR) + "/lib/llorch/examples/bag_of_words.so").c_str(), RTLD_NOW);
  decltype(&llorch_plugin_query) query = nullptr;
  decltype(&llorch_plugin_open) open = nullptr;
  const llorch_plugin_api* api = nullptr;
  llorch_plugin* plugin = nullptr;
  llorch_model* model = nullptr;
  llorch_context* context = nullptr;
  MemorySource source;

  RawPlugin() {
    BOOST_REQUIRE_MESSAGE(library != nullptr, ::dlerror());
    query = reinterpret_cast<decltype(query)>(::dlsym(library, "llorch_plugin_query"));
    open = reinterpret_cast<decltype(open)>(::dlsym(library, "llorch_plugin_open"));
    BOOST_REQUIRE(query != nullptr);
    BOOST_REQUIRE(open != nullptr);
    MemorySource::make_tiny(source, 11, 4, 16);
    BOOST_REQUIRE_EQUAL(open(1, nullptr, &plugin, &api, nullptr), LLORCH_OK);
    const llorch_model_params model_params{sizeof model_params, 0};
    BOOST_REQUIRE_EQUAL(api->model_create(plugin, &source.source(), &model_params, &model, nullptr), LLORCH_OK);
  }
  ~RawPlugin() {
    api->context_destroy(context);
    api->model_destroy(model);
    api->close(plugin);
  }
  RawPlugin(const RawPlugin&) = delete;
  RawPlugin& operator=(const RawPlugin&) = delete;

  void make_context() {
    llorch_context_params params{};
    params.struct_size = sizeof params;
    params.max_tokens = 16;
    BOOST_REQUIRE_EQUAL(api->context_create(model, &params, &context, nullptr), LLORCH_OK);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(struct_growth)

BOOST_FIXTURE_TEST_CASE(an_answer_never_goes_beyond_the_size_the_caller_gave, RawPlugin) {
  for (const std::size_t size : {4, 8, 12, 16, 79, 80, 100}) {
    Poisoned<llorch_plugin_info> info(size);
    BOOST_TEST(query(info.get()) == LLORCH_OK);
    BOOST_TEST(info.untouched_behind(), "llorch_plugin_info of " << size << " bytes");
    BOOST_TEST(info.get()->struct_size == size);
    Poisoned<llorch_model_info> model_info(std::min<std::size_t>(size, sizeof(llorch_model_info)));
    BOOST_TEST(api->model_probe(plugin, &source.source(), model_info.get(), nullptr) == LLORCH_OK);
    BOOST_TEST(model_info.untouched_behind(), "llorch_model_info of " << size << " bytes");
  }
}

BOOST_FIXTURE_TEST_CASE(an_answer_into_a_longer_struct_leaves_the_later_members_alone, RawPlugin) {
  Poisoned<llorch_plugin_info> info(sizeof(llorch_plugin_info) + 64);
  BOOST_TEST(query(info.get()) == LLORCH_OK);
  BOOST_TEST(info.untouched_from(sizeof(llorch_plugin_info)));
  BOOST_TEST(info.get()->struct_size == sizeof(llorch_plugin_info) + 64);
  BOOST_TEST(std::string(info.get()->id) == "bag_of_words");

  Poisoned<llorch_device> device(sizeof(llorch_device) + 64);
  BOOST_TEST(api->device_at(plugin, 0, device.get(), nullptr) == LLORCH_OK);
  BOOST_TEST(device.untouched_from(sizeof(llorch_device)));
}

BOOST_FIXTURE_TEST_CASE(parameters_that_end_early_mean_defaults_for_the_rest, RawPlugin) {
  // Only max_tokens is within the struct; the poison behind it must not be read as max_seqs = 0xA5A5A5A5.
  Poisoned<llorch_context_params> params(LLORCH_END(llorch_context_params, max_tokens));
  params.get()->max_tokens = 16;
  BOOST_REQUIRE_EQUAL(api->context_create(model, params.get(), &context, nullptr), LLORCH_OK);
  llorch_kv_usage usage{};
  usage.struct_size = sizeof usage;
  BOOST_TEST(api->kv_usage(context, &usage, nullptr) == LLORCH_OK);
  BOOST_TEST(usage.free_tokens == 16U);
}

BOOST_FIXTURE_TEST_CASE(parameters_with_later_members_are_accepted, RawPlugin) {
  llorch_context_params content{};
  content.max_tokens = 16;
  Poisoned<llorch_context_params> params(sizeof(llorch_context_params) + 64, content);
  BOOST_TEST(api->context_create(model, params.get(), &context, nullptr) == LLORCH_OK);
}

BOOST_FIXTURE_TEST_CASE(forward_takes_longer_batches_and_fills_longer_outputs, RawPlugin) {
  make_context();
  const std::int32_t token = 3;
  const std::int32_t zero = 0;
  const std::uint32_t flag = LLORCH_OUTPUT_LOGITS;
  Poisoned<llorch_batch> batch(sizeof(llorch_batch) + 32, llorch_batch{0, 1, &token, &zero, &zero, &flag});
  Poisoned<llorch_output> output(sizeof(llorch_output) + 32);
  BOOST_TEST(api->forward(context, batch.get(), output.get(), nullptr) == LLORCH_OK);
  BOOST_TEST(output.get()->n_rows == 1U);
  BOOST_TEST(output.untouched_from(sizeof(llorch_output)));
}

BOOST_FIXTURE_TEST_CASE(a_batch_too_short_for_its_arrays_is_refused, RawPlugin) {
  make_context();
  const std::int32_t token = 3;
  const std::int32_t zero = 0;
  const std::uint32_t flag = LLORCH_OUTPUT_LOGITS;
  Poisoned<llorch_batch> batch(LLORCH_END(llorch_batch, seq_ids), llorch_batch{0, 1, &token, &zero, &zero, &flag});
  llorch_output output{};
  output.struct_size = sizeof output;
  BOOST_TEST(api->forward(context, batch.get(), &output, nullptr) == LLORCH_INVALID_ARGUMENT);
}

BOOST_FIXTURE_TEST_CASE(a_message_stays_within_the_callers_buffer, RawPlugin) {
  for (const std::size_t size : {0, 4, 8, 9, 20, 512}) {
    Poisoned<llorch_error> error(size);
    BOOST_TEST(api->device_at(plugin, 99, nullptr, error.get()) == LLORCH_NOT_FOUND);
    BOOST_TEST(error.untouched_from(std::max<std::size_t>(size, 4)), "llorch_error of " << size << " bytes");
    if (size > 8) BOOST_TEST(std::memchr(error.get()->message, 0, size - 8) != nullptr, "not terminated");
  }
}

BOOST_FIXTURE_TEST_CASE(an_error_buffer_may_be_absent, RawPlugin) {
  BOOST_TEST(api->device_at(plugin, 99, nullptr, nullptr) == LLORCH_NOT_FOUND);
}

BOOST_FIXTURE_TEST_CASE(an_abi_version_nobody_speaks_is_refused_by_the_plugin_too, RawPlugin) {
  llorch_plugin* other = nullptr;
  const llorch_plugin_api* table = nullptr;
  llorch_error error{};
  error.struct_size = sizeof error;
  BOOST_TEST(open(2, nullptr, &other, &table, &error) == LLORCH_UNSUPPORTED);
  BOOST_TEST(std::string(error.message).find("version 2") != std::string::npos, error.message);
  BOOST_TEST(other == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
