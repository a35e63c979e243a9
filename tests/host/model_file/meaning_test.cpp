// Files that are well-formed but whose hyperparameters or tensors make no model. Numbers as in docs/model_files.md.
#include <cmath>
#include <limits>
#include <string>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;

/// The tiny model with another value for one key.
std::string with_key(const std::string& key, const std::string& value) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.set(key, value);
  return writer.bytes();
}

std::string without_key(const std::string& key) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.erase(key);
  return writer.bytes();
}

BOOST_AUTO_TEST_SUITE(meaning)

BOOST_AUTO_TEST_CASE(line_36_a_block_count_out_of_range_is_refused) {
  for (const std::uint32_t count : {0U, 513U, 1U << 31}) {
    expect_refused_bytes(with_key("gpt2.block_count", gguf_u32(count)),
                         {"'gpt2.block_count'", "expected 1 to 512, found " + std::to_string(count)});
  }
}

BOOST_AUTO_TEST_CASE(line_37_head_counts_that_do_not_divide_are_refused) {
  expect_refused_bytes(with_key("gpt2.attention.head_count", gguf_u32(0)),
                       {"'gpt2.attention.head_count'", "expected 1 to", "found 0"});
  expect_refused_bytes(with_key("gpt2.attention.head_count", gguf_u32(4)),
                       {"'gpt2.attention.head_count'", "divisor of gpt2.embedding_length 6", "found 4"});
  GgufWriter writer = tiny_gpt2_gguf();
  writer.set("gpt2.attention.head_count", gguf_u32(6));
  writer.set("gpt2.attention.head_count_kv", gguf_u32(4));
  expect_refused_bytes(writer.bytes(),
                       {"'gpt2.attention.head_count_kv'", "divisor of gpt2.attention.head_count 6", "found 4"});
  writer.set("gpt2.attention.head_count_kv", gguf_u32(0));
  expect_refused_bytes(writer.bytes(), {"'gpt2.attention.head_count_kv'", "expected 1 to", "found 0"});
}

BOOST_AUTO_TEST_CASE(line_38_a_context_of_32_ones_is_refused_with_the_bytes_its_cache_would_need) {
  // 2 (K and V) * 4 bytes * 2 blocks * 6 * (2^32 - 1)
  expect_refused_bytes(with_key("gpt2.context_length", gguf_u32(0xFFFFFFFF)),
                       {"'gpt2.context_length'", "found 4294967295", "KV cache would need 412316860320 bytes"});
  expect_refused_bytes(with_key("gpt2.context_length", gguf_u32(0)), {"'gpt2.context_length'", "found 0"});
}

BOOST_AUTO_TEST_CASE(line_39_an_epsilon_or_rope_base_that_is_no_positive_number_is_refused) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::string key : {"gpt2.attention.layer_norm_epsilon", "gpt2.rope.freq_base"}) {
    expect_refused_bytes(with_key(key, gguf_f32(std::nanf(""))), {key, "finite number above 0", "found nan"});
    expect_refused_bytes(with_key(key, gguf_f32(infinity)), {key, "finite number above 0", "found inf"});
    expect_refused_bytes(with_key(key, gguf_f32(0)), {key, "finite number above 0", "found 0"});
    expect_refused_bytes(with_key(key, gguf_f32(-1)), {key, "finite number above 0", "found -1"});
    expect_refused_bytes(with_key(key, gguf_u32(1)), {key, "expected a floating-point number, found the integer 1"});
  }
}

BOOST_AUTO_TEST_CASE(line_40_a_missing_tensor_is_named) {
  for (const std::string name : {"token_embd.weight", "blk.1.attn_qkv.bias", "output_norm.bias"}) {
    GgufWriter writer = tiny_gpt2_gguf();
    writer.erase_tensor(name);
    expect_refused_bytes(writer.bytes(), {"tensor \"" + name + "\" is missing"});
  }
}

BOOST_AUTO_TEST_CASE(line_40_a_misshapen_tensor_is_named_with_both_shapes) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.tensor("blk.0.attn_qkv.weight").ne = {18, 6};  // Hugging Face's orientation
  expect_refused_bytes(writer.bytes(), {"\"blk.0.attn_qkv.weight\"", "shape [18, 6] expected", "found [6, 18]"});
  writer = tiny_gpt2_gguf();
  writer.tensor("output_norm.bias").ne = {6, 1};
  expect_refused_bytes(writer.bytes(), {"\"output_norm.bias\"", "shape [6] expected", "found [1, 6]"});
}

BOOST_AUTO_TEST_CASE(line_40_a_tensor_the_architecture_does_not_have_is_named) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.tensors.push_back({"blk.2.attn_norm.weight", {6}, 0, std::string(24, '\0')});
  expect_refused_bytes(writer.bytes(), {"\"blk.2.attn_norm.weight\" is not part of a gpt2 model with 2 blocks"});
}

BOOST_AUTO_TEST_CASE(line_42_a_vocabulary_that_differs_from_the_embedding_rows_is_refused) {
  expect_refused_bytes(with_key("tokenizer.ggml.tokens", gguf_text_array({"a", "b", "c", "d", "e", "f"})),
                       {"\"token_embd.weight\"", "shape [6, 6] expected", "found [7, 6]"});
  expect_refused_bytes(with_key("gpt2.vocab_size", gguf_u32(8)),
                       {"'gpt2.vocab_size'", "expected 7, the length of tokenizer.ggml.tokens, found 8"});
}

BOOST_AUTO_TEST_CASE(without_a_vocabulary_the_embedding_rows_count) {
  const TemporaryDirectory directory;
  GgufWriter writer = tiny_gpt2_gguf();
  writer.erase("tokenizer.ggml.tokens");
  expect_opened(directory.write("a.gguf", writer.bytes()));
  const std::string data(writer.tensor("token_embd.weight").data);
  writer.tensors.push_back({"output.weight", {6, 7}, 0, data});
  expect_opened(directory.write("b.gguf", writer.bytes()));
  writer.tensors.back().ne = {7, 6};
  expect_refused(directory.write("c.gguf", writer.bytes()), {"\"output.weight\"", "shape [7, 6] expected"});
}

BOOST_AUTO_TEST_CASE(a_required_key_that_is_missing_is_named) {
  for (const std::string key :
       {"general.architecture", "gpt2.block_count", "gpt2.embedding_length", "gpt2.feed_forward_length",
        "gpt2.context_length", "gpt2.attention.head_count", "gpt2.attention.layer_norm_epsilon"}) {
    expect_refused_bytes(without_key(key), {"'" + key + "'", "is missing"});
  }
}

BOOST_AUTO_TEST_CASE(a_key_of_a_wrong_type_is_named_with_both_types) {
  expect_refused_bytes(with_key("gpt2.block_count", gguf_text("2")),
                       {"'gpt2.block_count'", "expected an integer of 0 or more, found a string"});
  expect_refused_bytes(with_key("gpt2.block_count", gguf_i32(-1)), {"'gpt2.block_count'", "found the integer -1"});
  expect_refused_bytes(with_key("general.architecture", gguf_u32(1)),
                       {"'general.architecture'", "expected a string, found the integer 1"});
}

BOOST_AUTO_TEST_CASE(an_architecture_not_known_here_is_validated_in_structure_only) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.set("general.architecture", gguf_text("mamba"));
  writer.erase("gpt2.block_count");
  const TemporaryDirectory directory;
  const auto model = expect_opened(directory.write("model.gguf", writer.bytes()));
  BOOST_TEST(model->architecture() == "mamba");
  BOOST_TEST(model->tensors().size() == writer.tensors.size());
}

BOOST_AUTO_TEST_CASE(a_file_without_tensors_opens_for_its_vocabulary_only) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.tensors.clear();
  const TemporaryDirectory directory;
  const auto path = directory.write("vocabulary.gguf", writer.bytes());
  expect_refused(path, {"holds no tensors"});
  const auto model = expect_opened(path, {.vocabulary_only = true});
  BOOST_TEST(model->tensors().empty());
  BOOST_TEST(model->metadata().strings("tokenizer.ggml.tokens")->size() == 7U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
