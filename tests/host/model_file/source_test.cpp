// The C view of a model that plugins get.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;

llorch_str str(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(const llorch_str& text) {
  return {text.data, text.size};
}

/// The tiny model as GGUF, with one key of each kind.
struct GgufSource {
  GgufSource() {
    GgufWriter writer = tiny_gpt2_gguf();
    writer.set("x.bool", le<std::uint32_t>(kGgufBool) + "\x01");
    writer.set("x.i32", gguf_i32(-7));
    writer.set("x.u16", gguf_u16(65535));
    writer.set("x.f32", gguf_f32(0.5F));
    writer.set("x.text", gguf_text("words"));
    writer.set("x.scores", gguf_array(kGgufF32, 2, le(1.5F) + le(-2.5F)));
    writer.set("x.nested", gguf_array(kGgufArray, 1, le<std::uint32_t>(kGgufU8) + le<std::uint64_t>(0)));
    model = expect_opened(directory.write("model.gguf", writer.bytes()));
  }
  [[nodiscard]] const llorch_source& source() const { return model->source(); }
  llorch_value get(std::string_view key, llorch_status expected = LLORCH_OK) const {
    llorch_value value = {};
    value.struct_size = sizeof(value);
    BOOST_TEST(source().meta_get(&source(), str(key), &value) == expected, key);
    return value;
  }

  TemporaryDirectory directory;
  std::unique_ptr<llorch::model_file::ModelFile> model;
};

BOOST_AUTO_TEST_SUITE(source)

BOOST_FIXTURE_TEST_CASE(tensors_are_described_by_number_and_by_name, GgufSource) {
  BOOST_TEST(source().n_tensors == model->tensors().size());
  llorch_tensor tensor = {};
  tensor.struct_size = sizeof(tensor);
  BOOST_REQUIRE(source().tensor_find(&source(), str("blk.1.ffn_up.weight"), &tensor) == LLORCH_OK);
  BOOST_TEST(view(tensor.name) == "blk.1.ffn_up.weight");
  BOOST_TEST(tensor.dtype == LLORCH_DTYPE_F32);
  BOOST_TEST(tensor.n_dims == 2U);
  BOOST_TEST(tensor.dims[0] == kTinyFeedForward);
  BOOST_TEST(tensor.dims[1] == kTinyEmbedding);
  BOOST_TEST(tensor.nbytes == 240U);
  llorch_tensor same = {};
  same.struct_size = sizeof(same);
  BOOST_REQUIRE(source().tensor_at(&source(), tensor.index, &same) == LLORCH_OK);
  BOOST_TEST(view(same.name) == view(tensor.name));
}

BOOST_FIXTURE_TEST_CASE(the_mapping_holds_what_tensor_read_copies, GgufSource) {
  for (std::uint64_t i = 0; i < source().n_tensors; ++i) {
    llorch_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    BOOST_REQUIRE(source().tensor_at(&source(), i, &tensor) == LLORCH_OK);
    BOOST_REQUIRE(tensor.data != nullptr);
    std::vector<char> copy(tensor.nbytes);
    BOOST_REQUIRE(source().tensor_read(&source(), i, 0, copy.data(), copy.size()) == LLORCH_OK);
    BOOST_TEST(std::memcmp(copy.data(), tensor.data, copy.size()) == 0, view(tensor.name));
  }
}

BOOST_AUTO_TEST_CASE(transposed_tensors_have_no_address) {
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory);
  const auto model = expect_opened(directory.path());
  const llorch_source& source = model->source();
  const auto expected = tiny_gpt2_tensors();
  for (std::uint64_t i = 0; i < source.n_tensors; ++i) {
    llorch_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    BOOST_REQUIRE(source.tensor_at(&source, i, &tensor) == LLORCH_OK);
    BOOST_TEST((tensor.data == nullptr) == expected[i].transposed, view(tensor.name));
  }
}

BOOST_FIXTURE_TEST_CASE(scalars_are_widened, GgufSource) {
  BOOST_TEST(get("x.bool").type == LLORCH_VALUE_BOOL);
  BOOST_TEST(get("x.bool").u.u64 == 1U);
  BOOST_TEST(get("x.i32").type == LLORCH_VALUE_I64);
  BOOST_TEST(get("x.i32").u.i64 == -7);
  BOOST_TEST(get("x.u16").type == LLORCH_VALUE_U64);
  BOOST_TEST(get("x.u16").u.u64 == 65535U);
  BOOST_TEST(get("x.f32").type == LLORCH_VALUE_F64);
  BOOST_TEST(get("x.f32").u.f64 == 0.5);
  BOOST_TEST(get("x.text").type == LLORCH_VALUE_STR);
  BOOST_TEST(view(get("x.text").u.str) == "words");
  get("x.none", LLORCH_NOT_FOUND);
  get("x.nested", LLORCH_UNSUPPORTED);
}

BOOST_FIXTURE_TEST_CASE(arrays_keep_their_element_type, GgufSource) {
  const llorch_value scores = get("x.scores");
  BOOST_TEST(scores.type == LLORCH_VALUE_ARRAY);
  BOOST_TEST(scores.elem_type == kGgufF32);
  BOOST_REQUIRE(scores.u.array.count == 2U);
  float second = 0;
  std::memcpy(&second, static_cast<const char*>(scores.u.array.data) + 4, 4);
  BOOST_TEST(second == -2.5F);
  const llorch_value tokens = get("tokenizer.ggml.tokens");
  BOOST_TEST(tokens.elem_type == kGgufString);
  BOOST_REQUIRE(tokens.u.array.count == kTinyVocabulary);
  const auto* strings = static_cast<const llorch_str*>(tokens.u.array.data);
  BOOST_TEST(view(strings[0]) == "a");
  BOOST_TEST(view(strings[6]) == "g");
  BOOST_TEST(get("tokenizer.ggml.tokens").u.array.data == tokens.u.array.data);
}

BOOST_FIXTURE_TEST_CASE(wrong_arguments_are_refused, GgufSource) {
  llorch_tensor tensor = {};
  tensor.struct_size = sizeof(tensor);
  char byte = 0;
  BOOST_TEST(source().tensor_at(&source(), source().n_tensors, &tensor) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(source().tensor_at(&source(), 0, nullptr) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(source().tensor_find(&source(), str("none"), &tensor) == LLORCH_NOT_FOUND);
  BOOST_TEST(source().tensor_find(&source(), {nullptr, 0}, &tensor) == LLORCH_NOT_FOUND);
  BOOST_TEST(source().tensor_read(&source(), source().n_tensors, 0, &byte, 1) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(source().tensor_read(&source(), 0, ~std::uint64_t{0}, &byte, 1) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(source().tensor_read(&source(), 0, 0, nullptr, 1) == LLORCH_INVALID_ARGUMENT);
  tensor.struct_size = 8;
  BOOST_TEST(source().tensor_at(&source(), 0, &tensor) == LLORCH_INVALID_ARGUMENT);
}

BOOST_FIXTURE_TEST_CASE(a_caller_with_longer_structs_keeps_what_is_behind_ours, GgufSource) {
  struct Later {
    llorch_tensor tensor;
    std::uint64_t future;
  } later = {};
  later.tensor.struct_size = sizeof(later);
  later.future = 42;
  BOOST_REQUIRE(source().tensor_at(&source(), 0, &later.tensor) == LLORCH_OK);
  BOOST_TEST(later.tensor.struct_size == sizeof(later));
  BOOST_TEST(later.future == 42U);
}

BOOST_FIXTURE_TEST_CASE(threads_may_ask_at_once, GgufSource) {
  std::vector<std::jthread> threads;
  std::vector<int> failures(4);
  for (int& failure : failures) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        llorch_value value = {};
        value.struct_size = sizeof(value);
        float number = 0;
        if (source().meta_get(&source(), str("tokenizer.ggml.tokens"), &value) != LLORCH_OK) ++failure;
        if (source().tensor_read(&source(), 3, 4, &number, 4) != LLORCH_OK) ++failure;
        if (number != tiny_value(3, 1, 0)) ++failure;
      }
    });
  }
  threads.clear();
  BOOST_TEST(failures == std::vector<int>(4), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
