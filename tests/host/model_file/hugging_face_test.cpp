// Hugging Face directories: what is read from them and what is refused.
#include <cstring>
#include <string>
#include <vector>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::ModelFile;

void check_values(const ModelFile& model) {
  const auto expected = tiny_gpt2_tensors();
  BOOST_REQUIRE(model.tensors().size() == expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    const auto& tensor = model.tensors()[t];
    BOOST_TEST(tensor.name == expected[t].canonical);
    BOOST_TEST(tensor.dims[0] == expected[t].rows);
    const std::uint64_t columns = expected[t].columns > 0 ? expected[t].columns : 1;
    std::vector<float> values(tensor.nbytes / sizeof(float));
    BOOST_REQUIRE(values.size() == expected[t].rows * columns);
    BOOST_REQUIRE(model.read_tensor(t, 0, std::as_writable_bytes(std::span(values))));
    for (std::size_t i = 0; i < values.size(); ++i) {
      BOOST_REQUIRE_MESSAGE(values[i] == tiny_value(t, i / columns, i % columns),
                            tensor.name << ", element " << i << ": " << tiny_value(t, i / columns, i % columns)
                                        << " expected, found " << values[i]);
    }
  }
}

/// The tiny directory with one member of config.json changed ("" removes it) is refused.
void expect_config_refused(const std::string& key, const std::string& value,
                           std::initializer_list<std::string_view> parts) {
  auto config = tiny_gpt2_config();
  if (value.empty()) {
    config.erase(key);
  } else {
    config[key] = value;
  }
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, config);
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE_MESSAGE(!opened, key << " = " << value << " was accepted");
  for (const std::string_view part : parts) {
    BOOST_TEST(opened.error().message.find(part) != std::string::npos,
               "\"" << part << "\" in: " << opened.error().message);
  }
}

void expect_config_accepted(const std::string& key, const std::string& value) {
  auto config = tiny_gpt2_config();
  config[key] = value;
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, config);
  expect_opened(directory.path());
}

BOOST_AUTO_TEST_SUITE(hugging_face)

BOOST_AUTO_TEST_CASE(tensors_come_under_canonical_names_in_canonical_orientation) {
  for (const std::string prefix : {"", "transformer."}) {
    const TemporaryDirectory directory;
    write_tiny_gpt2(directory, tiny_gpt2_config(), tiny_gpt2_safetensors(prefix));
    const auto model = expect_opened(directory.path());
    BOOST_TEST((model->format() == llorch::model_file::Format::kHuggingFace));
    BOOST_TEST(model->directory() == directory.path());
    BOOST_TEST(model->tensors()[4].source_name == prefix + "h.0.attn.c_attn.weight");
    check_values(*model);
  }
}

BOOST_AUTO_TEST_CASE(the_weight_file_can_be_named_instead_of_the_directory) {
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory);
  const auto model = expect_opened(directory.path() / "model.safetensors");
  BOOST_TEST(model->directory() == directory.path());
  check_values(*model);
}

BOOST_AUTO_TEST_CASE(the_same_model_as_gguf_has_the_same_tensors) {
  const TemporaryDirectory directory;
  check_values(*expect_opened(directory.write("model.gguf", tiny_gpt2_gguf().bytes())));
}

BOOST_AUTO_TEST_CASE(the_configuration_appears_under_gguf_keys) {
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory);
  const auto model = expect_opened(directory.path());
  const auto& metadata = model->metadata();
  BOOST_TEST(model->architecture() == "gpt2");
  BOOST_TEST(*metadata.string("general.architecture") == "gpt2");
  BOOST_TEST(*metadata.u64("gpt2.context_length") == kTinyContext);
  BOOST_TEST(*metadata.u64("gpt2.embedding_length") == kTinyEmbedding);
  BOOST_TEST(*metadata.u64("gpt2.feed_forward_length") == kTinyFeedForward);
  BOOST_TEST(*metadata.u64("gpt2.block_count") == kTinyBlocks);
  BOOST_TEST(*metadata.u64("gpt2.attention.head_count") == kTinyHeads);
  BOOST_TEST(*metadata.f64("gpt2.attention.layer_norm_epsilon") == 1e-5);
  BOOST_TEST(*metadata.string("gpt2.hidden_activation") == "gelu_new");
  BOOST_TEST(*metadata.u64("gpt2.vocab_size") == kTinyVocabulary);
  BOOST_TEST(*metadata.u64("tokenizer.ggml.bos_token_id") == 0U);
  BOOST_TEST(*metadata.u64("tokenizer.ggml.eos_token_id") == 6U);
}

BOOST_AUTO_TEST_CASE(a_feed_forward_length_that_is_not_given_is_four_times_the_embedding) {
  auto config = tiny_gpt2_config();
  config["n_inner"] = "null";
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, config);
  expect_refused(directory.path(), {"shape [6, 24] expected", "found [6, 10]", "mlp.c_fc.weight"});
}

BOOST_AUTO_TEST_CASE(activations_are_translated_or_refused_by_name) {
  expect_config_accepted("activation_function", "\"gelu_pytorch_tanh\"");
  expect_config_accepted("activation_function", "\"gelu\"");
  expect_config_refused("activation_function", "\"relu\"", {"config.json", "'activation_function'", "found \"relu\""});
  expect_config_refused("activation_function", "3",
                        {"config.json", "'activation_function'", "expected a string, found 3"});
}

BOOST_AUTO_TEST_CASE(switches_that_change_the_mathematics_are_refused_by_name) {
  expect_config_accepted("reorder_and_upcast_attn", "true");
  expect_config_refused("scale_attn_weights", "false", {"'scale_attn_weights'", "only true is supported, found false"});
  expect_config_refused("scale_attn_by_inverse_layer_idx", "true", {"'scale_attn_by_inverse_layer_idx'"});
  expect_config_refused("add_cross_attention", "true", {"'add_cross_attention'"});
}

BOOST_AUTO_TEST_CASE(a_configuration_value_that_is_missing_or_wrong_is_named) {
  for (const std::string key : {"model_type", "n_embd", "n_layer", "n_head", "vocab_size"}) {
    expect_config_refused(key, "", {"config.json", "'" + key + "'", "is missing"});
  }
  expect_config_refused("n_positions", "", {"'n_ctx'", "is missing"});
  expect_config_refused("n_embd", "6.0", {"config.json: key 'n_embd'", "expected an integer of 0 or more, found 6.0"});
  expect_config_refused("n_embd", "-6", {"config.json: key 'n_embd'", "expected an integer of 0 or more, found -6"});
  expect_config_refused("n_embd", "\"6\"", {"config.json: key 'n_embd'", "an integer of 0 or more, found \"6\""});
  expect_config_refused("n_layer", "513", {"config.json: key 'n_layer'", "expected 1 to 512, found 513"});
  expect_config_refused("n_head", "4", {"config.json: key 'n_head'", "expected a divisor of n_embd 6, found 4"});
  expect_config_refused("n_head", "0", {"config.json: key 'n_head'", "expected 1 to 2147483647, found 0"});
  expect_config_refused("n_positions", "4294967296", {"config.json: key 'n_positions'", "found 4294967296"});
  expect_config_refused("n_inner", "[]", {"config.json: key 'n_inner'", "found an array"});
  expect_config_refused("layer_norm_epsilon", "0",
                        {"config.json: key 'layer_norm_epsilon'", "expected a finite number above 0, found 0"});
  expect_config_refused("layer_norm_epsilon", "1e400", {"config.json", "does not fit a double"});
  expect_config_refused("vocab_size", "8", {"wte.weight", "shape [8, 6] expected", "found [7, 6]"});
  expect_config_refused("bos_token_id", "-1", {"'bos_token_id'", "expected an integer of 0 or more"});
  expect_config_refused("eos_token_id", "[6, -1]", {"'eos_token_id[1]'", "expected an integer of 0 or more, found -1"});
  expect_config_refused("eos_token_id", "[6, \"x\"]", {"'eos_token_id[1]'", "found \"x\""});
}

BOOST_AUTO_TEST_CASE(token_ids_that_are_null_or_a_list_are_understood) {
  auto config = tiny_gpt2_config();
  config["bos_token_id"] = "null";
  config["eos_token_id"] = "[3, 4]";
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, config);
  const auto model = expect_opened(directory.path());
  BOOST_TEST(model->metadata().find("tokenizer.ggml.bos_token_id") == nullptr);
  BOOST_TEST(*model->metadata().u64("tokenizer.ggml.eos_token_id") == 3U);
  BOOST_TEST(*model->metadata().integers("tokenizer.ggml.eos_token_ids") == (std::vector<std::int64_t>{3, 4}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_configuration_that_is_no_json_object_is_refused) {
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory);
  directory.write("config.json", "{\"model_type\": \"gpt2\",}");
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find("config.json: invalid JSON at byte 22") != std::string::npos,
             opened.error().message);
  directory.write("config.json", "[]");
  BOOST_TEST(ModelFile::open(directory.path()).error().message.find("expected a JSON object, found an array") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(causal_masks_are_ignored_whatever_their_type) {
  auto weights = tiny_gpt2_safetensors("transformer.");
  weights.tensors.push_back({"transformer.h.0.attn.bias", "BOOL", {1, 1, 5, 5}, std::string(25, '\1')});
  weights.tensors.push_back({"transformer.h.1.attn.masked_bias", "F32", {}, std::string(4, '\0')});
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  check_values(*expect_opened(directory.path()));
}

BOOST_AUTO_TEST_CASE(a_head_that_repeats_the_embedding_is_left_out) {
  auto weights = tiny_gpt2_safetensors();
  weights.tensors.push_back({"lm_head.weight", "F32", {7, 6}, weights.tensors[0].data});
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  check_values(*expect_opened(directory.path()));
}

BOOST_AUTO_TEST_CASE(a_head_that_differs_from_the_embedding_of_a_tied_model_is_refused) {
  auto weights = tiny_gpt2_safetensors();
  std::string other = weights.tensors[0].data;
  other.back() = static_cast<char>(other.back() ^ 1);
  weights.tensors.push_back({"lm_head.weight", "F32", {7, 6}, other});
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  expect_refused(directory.path(), {"tie_word_embeddings", "\"lm_head.weight\"", "\"wte.weight\"", "byte 167 of 168"});
  weights.tensors.back() = {"lm_head.weight", "F16", {7, 6}, std::string(84, '\0')};
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  expect_refused(directory.path(), {"found F16 [7, 6] where it is F32 [7, 6]"});
}

BOOST_AUTO_TEST_CASE(a_head_of_its_own_is_the_output_matrix) {
  auto config = tiny_gpt2_config();
  config["tie_word_embeddings"] = "false";
  auto weights = tiny_gpt2_safetensors("transformer.");
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, config, weights);
  expect_refused(directory.path(), {"\"lm_head.weight\" (output.weight) is missing"});
  weights.tensors.push_back({"lm_head.weight", "F32", {7, 6}, tiny_data(99, 7, 6, false)});
  write_tiny_gpt2(directory, config, weights);
  const auto model = expect_opened(directory.path());
  BOOST_TEST(model->tensors().back().name == "output.weight");
}

BOOST_AUTO_TEST_CASE(line_40_a_missing_or_unknown_tensor_is_named) {
  auto weights = tiny_gpt2_safetensors();
  const TemporaryDirectory directory;
  weights.tensors.back().name = "ln_g.bias";
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  expect_refused(directory.path(), {"tensor \"ln_g.bias\" is not part of a gpt2 model"});
  weights.tensors.pop_back();
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  expect_refused(directory.path(), {"tensor \"ln_f.bias\" (output_norm.bias) is missing"});
}

BOOST_AUTO_TEST_CASE(a_tensor_under_both_of_its_names_is_refused) {
  auto weights = tiny_gpt2_safetensors();
  weights.tensors.push_back({"transformer.ln_f.bias", "F32", {6}, weights.tensors.back().data});
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  expect_refused(directory.path(), {"both stand for output_norm.bias", "\"ln_f.bias\"", "\"transformer.ln_f.bias\""});
}

BOOST_AUTO_TEST_CASE(a_weight_of_a_type_without_gguf_id_is_refused_by_name) {
  auto weights = tiny_gpt2_safetensors();
  weights.tensors.back() = {"ln_f.bias", "F8_E4M3", {6}, std::string(6, '\0')};
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, tiny_gpt2_config(), weights);
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find("tensor \"ln_f.bias\": dtype F8_E4M3 is not supported") != std::string::npos,
             opened.error().message);
}

BOOST_AUTO_TEST_CASE(an_architecture_not_known_here_keeps_its_own_names) {
  SafetensorsWriter weights;
  weights.tensors.push_back({"model.embed", "BF16", {2, 3}, std::string(12, '\0')});
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory, {{"model_type", "\"mamba\""}, {"hidden_size", "3"}, {"act", "\"silu\""}}, weights);
  const auto model = expect_opened(directory.path());
  BOOST_TEST(model->architecture() == "mamba");
  BOOST_TEST(model->tensors()[0].name == "model.embed");
  BOOST_TEST(*model->metadata().u64("huggingface.hidden_size") == 3U);
  BOOST_TEST(*model->metadata().string("huggingface.act") == "silu");
}

BOOST_AUTO_TEST_CASE(line_65_a_pickle_is_never_opened_and_the_error_says_how_to_convert_it) {
  const TemporaryDirectory directory;
  directory.write("config.json", config_text(tiny_gpt2_config()));
  const auto pickle = directory.write("pytorch_model.bin", "not even a pickle");
  for (const auto& path : {directory.path(), pickle}) {
    const auto opened = ModelFile::open(path);
    BOOST_REQUIRE(!opened);
    for (const std::string_view part :
         {"pytorch_model.bin", "never opened", "convert it to safetensors", "python3 -c"}) {
      BOOST_TEST(opened.error().message.find(part) != std::string::npos, opened.error().message);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_directory_of_gguf_files_is_refused_with_the_file_to_give) {
  const TemporaryDirectory directory;
  const auto file = directory.write("some.gguf", "");
  expect_refused(directory.path(), {"for GGUF give the file itself: " + file.string()});
}

BOOST_AUTO_TEST_CASE(weights_without_a_configuration_can_be_looked_at_only) {
  const TemporaryDirectory directory;
  const auto path = directory.write("lonely.safetensors", tiny_gpt2_safetensors().bytes());
  const auto refused = ModelFile::open(path);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(refused.error().message.find("config.json: cannot open") != std::string::npos, refused.error().message);
  const auto model = expect_opened(path, {.vocabulary_only = true});
  BOOST_TEST(model->architecture().empty());
  BOOST_TEST(model->tensors().size() == tiny_gpt2_tensors().size());
}

BOOST_AUTO_TEST_CASE(a_directory_without_weights_opens_for_its_vocabulary_only) {
  const TemporaryDirectory directory;
  expect_refused(directory.path(), {"neither model.safetensors nor model.safetensors.index.json is there"});
  const auto bare = expect_opened(directory.path(), {.vocabulary_only = true});
  BOOST_TEST(bare->architecture().empty());
  BOOST_TEST(bare->tensors().empty());
  directory.write("config.json", config_text(tiny_gpt2_config()));
  const auto configured = expect_opened(directory.path(), {.vocabulary_only = true});
  BOOST_TEST(configured->architecture() == "gpt2");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
