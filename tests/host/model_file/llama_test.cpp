// The Llama family: names, the order of query and key rows, rotary settings, and what is refused.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "expect.hpp"
#include "support/tiny_llama.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::ModelFile;
using Config = std::map<std::string, std::string>;

std::vector<float> values_of(const ModelFile& model, std::string_view name) {
  for (std::size_t i = 0; i < model.tensors().size(); ++i) {
    if (model.tensors()[i].name != name) continue;
    std::vector<float> values(model.tensors()[i].nbytes / sizeof(float));
    BOOST_REQUIRE(model.read_tensor(i, 0, std::as_writable_bytes(std::span(values))));
    return values;
  }
  BOOST_REQUIRE_MESSAGE(false, "there is no tensor " << name);
  return {};
}

Config with(const Config& changes) {
  Config config = tiny_llama_config();
  for (const auto& [key, value] : changes) {
    if (value.empty()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  return config;
}

std::unique_ptr<ModelFile> opened_with(const TemporaryDirectory& directory, const Config& changes) {
  write_tiny_llama(directory, with(changes));
  return expect_opened(directory.path());
}

/// What config.json alone says, of sizes that no weights here have.
std::unique_ptr<ModelFile> configured_with(const TemporaryDirectory& directory, const Config& changes) {
  directory.write("config.json", config_text(with(changes)));
  return expect_opened(directory.path(), {.vocabulary_only = true});
}

void expect_config_refused(const Config& changes, std::initializer_list<std::string> parts) {
  const TemporaryDirectory directory;
  write_tiny_llama(directory, with(changes));
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE_MESSAGE(!opened, "a configuration with " << changes.begin()->first << " = " << changes.begin()->second
                                                         << " was accepted");
  BOOST_TEST(opened.error().message.find("config.json: key '") != std::string::npos, opened.error().message);
  for (const std::string_view part : parts) {
    BOOST_TEST(opened.error().message.find(part) != std::string::npos,
               "\"" << part << "\" in: " << opened.error().message);
  }
}

void expect_gguf_refused(const std::function<void(GgufWriter&)>& change,
                         std::initializer_list<std::string_view> parts) {
  GgufWriter writer = tiny_llama_gguf();
  change(writer);
  expect_refused_bytes(writer.bytes(), parts);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(llama)

BOOST_AUTO_TEST_CASE(queries_and_keys_come_pair_by_pair_and_all_else_as_it_is_stored) {
  const TemporaryDirectory directory;
  const auto model = opened_with(directory, {});
  BOOST_TEST(model->architecture() == "llama");
  const auto tensors = tiny_llama_tensors();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const auto& tensor = tensors[t];
    const bool rotary = tensor.canonical == "blk.0.attn_q.weight" || tensor.canonical == "blk.0.attn_k.weight";
    const auto found = values_of(*model, tensor.canonical);
    const std::uint64_t columns = std::max<std::uint64_t>(tensor.columns, 1);
    BOOST_REQUIRE_EQUAL(found.size(), tensor.rows * columns);
    constexpr std::uint64_t kHalves[] = {0, 3, 1, 4, 2, 5};  // of a head of 6 rows
    for (std::uint64_t i = 0; i < found.size(); ++i) {
      const std::uint64_t row = i / columns;
      const std::uint64_t stored = rotary ? row / 6 * 6 + kHalves[row % 6] : row;
      BOOST_TEST(found[i] == tiny_value(t, stored, i % columns), tensor.canonical << ", row " << row);
    }
  }
}

BOOST_AUTO_TEST_CASE(any_part_of_a_reordered_tensor_is_that_part_of_the_whole) {
  const TemporaryDirectory directory;
  const auto model = opened_with(directory, {});
  const auto whole = values_of(*model, "blk.0.attn_q.weight");
  const auto* bytes = reinterpret_cast<const std::byte*>(whole.data());
  const std::uint64_t size = whole.size() * sizeof(float);
  const auto index =
      static_cast<std::uint64_t>(std::find_if(model->tensors().begin(), model->tensors().end(),
                                              [](const auto& t) { return t.name == "blk.0.attn_q.weight"; }) -
                                 model->tensors().begin());
  for (std::uint64_t offset = 0; offset < size; offset += 5) {
    for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{33}, size - offset}) {
      std::vector<std::byte> part(std::min(n, size - offset));
      BOOST_REQUIRE(model->read_tensor(index, offset, part));
      BOOST_TEST(std::memcmp(part.data(), bytes + offset, part.size()) == 0, n << " bytes from " << offset);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_configuration_appears_under_gguf_keys) {
  const TemporaryDirectory directory;
  const auto model = opened_with(directory, {});
  const auto& metadata = model->metadata();
  const std::map<std::string, std::uint64_t> expected = {
      {"llama.context_length", 8},       {"llama.embedding_length", 4},       {"llama.feed_forward_length", 3},
      {"llama.block_count", 1},          {"llama.attention.head_count", 2},   {"llama.attention.head_count_kv", 1},
      {"llama.attention.key_length", 6}, {"llama.attention.value_length", 6}, {"llama.vocab_size", 5},
      {"llama.rope.dimension_count", 6}, {"tokenizer.ggml.bos_token_id", 1},  {"tokenizer.ggml.eos_token_id", 2}};
  for (const auto& [key, value] : expected)
    BOOST_TEST(*metadata.u64(key) == value, key);
  BOOST_TEST(*metadata.f64("llama.attention.layer_norm_rms_epsilon") == 1e-6);
  BOOST_TEST(*metadata.f64("llama.rope.freq_base") == 10000.0);
  BOOST_TEST(metadata.find("llama.rope.scaling.type") == nullptr);
  BOOST_TEST(metadata.find("llama.attention.sliding_window") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_tied_head_is_no_tensor_and_an_untied_one_must_be_there) {
  SafetensorsWriter repeated = tiny_llama_safetensors();
  repeated.tensors.back().data = repeated.tensors.front().data;
  const TemporaryDirectory directory;
  write_tiny_llama(directory, with({{"tie_word_embeddings", "true"}}), repeated);
  BOOST_TEST(expect_opened(directory.path())->tensors().size() == tiny_llama_tensors().size() - 1);
  SafetensorsWriter headless = tiny_llama_safetensors();
  headless.tensors.pop_back();
  const TemporaryDirectory other;
  write_tiny_llama(other, tiny_llama_config(), headless);
  const auto opened = ModelFile::open(other.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find("lm_head.weight") != std::string::npos, opened.error().message);
}

BOOST_AUTO_TEST_CASE(old_files_may_carry_the_rotary_frequencies) {
  SafetensorsWriter weights = tiny_llama_safetensors();
  weights.tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {3}, tiny_data(0, 3, 1, false)});
  const TemporaryDirectory directory;
  write_tiny_llama(directory, tiny_llama_config(), weights);
  BOOST_TEST(expect_opened(directory.path())->tensors().size() == tiny_llama_tensors().size());
}

BOOST_AUTO_TEST_CASE(only_mistral_has_a_sliding_window) {
  const TemporaryDirectory mistral;
  const auto model = opened_with(mistral, {{"model_type", "\"mistral\""}, {"sliding_window", "3"}});
  BOOST_TEST(model->architecture() == "llama");
  BOOST_TEST(*model->metadata().u64("llama.attention.sliding_window") == 3U);
  for (const Config& changes : {Config{{"model_type", "\"mistral\""}, {"sliding_window", "null"}},
                                Config{{"model_type", "\"llama\""}, {"sliding_window", "3"}}}) {
    const TemporaryDirectory directory;
    BOOST_TEST(opened_with(directory, changes)->metadata().find("llama.attention.sliding_window") == nullptr);
  }
}

BOOST_AUTO_TEST_CASE(a_mistral_that_says_nothing_of_its_window_or_key_heads_has_the_usual_ones) {
  const Config silent = {{"model_type", "\"mistral\""}, {"num_attention_heads", "16"}, {"num_key_value_heads", ""}};
  const TemporaryDirectory directory;
  const auto mistral = configured_with(directory, silent);
  BOOST_TEST(*mistral->metadata().u64("llama.attention.sliding_window") == 4096U);
  BOOST_TEST(*mistral->metadata().u64("llama.attention.head_count_kv") == 8U);
  Config other = silent;
  other["num_key_value_heads"] = other["sliding_window"] = "null";
  const TemporaryDirectory nulls;
  const auto none = configured_with(nulls, other);
  BOOST_TEST(none->metadata().find("llama.attention.sliding_window") == nullptr);
  BOOST_TEST(*none->metadata().u64("llama.attention.head_count_kv") == 16U);
  other = silent;
  other["model_type"] = "\"llama\"";
  const TemporaryDirectory llamas;
  BOOST_TEST(*configured_with(llamas, other)->metadata().u64("llama.attention.head_count_kv") == 16U);
  expect_config_refused({{"model_type", "\"mistral\""}, {"num_key_value_heads", ""}},
                        {"'num_key_value_heads'", "divisor of num_attention_heads 2, found none, which means 8"});
}

BOOST_AUTO_TEST_CASE(a_context_that_linear_scaling_explains_is_the_one_of_max_sequence_length) {
  const std::string linear = R"({"type": "linear", "factor": 4.0})";
  const std::string yarn = R"({"type": "yarn", "factor": 4.0})";
  struct Case {
    std::string scaling, length;
    std::uint64_t expected;
  };
  for (const auto& [scaling, length, expected] :
       {Case{linear, "16384", 16384}, Case{linear, "12000", 12000}, Case{linear, "16385", 4096},
        Case{linear, "2048", 4096}, Case{linear, "null", 4096}, Case{"null", "16384", 4096},
        Case{yarn, "16384", 4096}}) {
    const TemporaryDirectory directory;
    const auto model = configured_with(
        directory, {{"max_position_embeddings", "4096"}, {"max_sequence_length", length}, {"rope_scaling", scaling}});
    BOOST_TEST(*model->metadata().u64("llama.context_length") == expected, scaling << ", " << length);
  }
  expect_config_refused({{"max_sequence_length", "\"long\""}, {"rope_scaling", linear}},
                        {"'max_sequence_length'", "expected an integer of 0 or more, found \"long\""});
}

BOOST_AUTO_TEST_CASE(scaling_that_is_said_by_half_or_in_two_ways_is_refused) {
  expect_config_refused({{"rope_scaling", R"({"factor": 8.0})"}},
                        {"'rope_scaling.rope_type'", "is missing, expected linear, llama3 or yarn beside 'factor'"});
  expect_config_refused({{"rope_parameters", R"({"rope_theta": 500.0, "low_freq_factor": 1.0})"}},
                        {"'rope_parameters.rope_type'", "is missing", "'low_freq_factor'"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "default", "factor": 8})"}},
                        {"'rope_scaling.factor'", "nothing beside the type \"default\"", "found 8"});
  expect_config_refused({{"rope_scaling", R"({"type": "linear", "rope_type": "yarn", "factor": 8})"}},
                        {"'rope_scaling.type'", "expected \"yarn\", as rope_type says, found \"linear\""});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "yarn", "factor": 2, "extrapolation_factor": 0.5})"}},
                        {"'rope_scaling.extrapolation_factor'", "only 1", "found 0.5"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "yarn", "factor": 2, "attn_factor": 2})"}},
                        {"'rope_scaling.attn_factor'", "only 1", "found 2"});
}

BOOST_AUTO_TEST_CASE(scaling_that_says_the_same_twice_or_nothing_is_accepted) {
  for (const std::string same : {R"({"type": "linear", "rope_type": "linear", "factor": 8})",
                                 R"({"type": null, "rope_type": "linear", "factor": 8})"}) {
    const TemporaryDirectory directory;
    const auto model = opened_with(directory, {{"rope_scaling", same}});
    BOOST_TEST(*model->metadata().string("llama.rope.scaling.type") == "linear", same);
  }
  for (const std::string nothing : {"{}", R"({"rope_type": "default"})", R"({"type": "default", "factor": 1.0})",
                                    R"({"rope_type": null, "factor": null})"}) {
    const TemporaryDirectory directory;
    const auto model = opened_with(directory, {{"rope_scaling", nothing}});
    BOOST_TEST(model->metadata().find("llama.rope.scaling.type") == nullptr, nothing);
  }
  const TemporaryDirectory directory;
  const auto model =
      opened_with(directory, {{"rope_scaling", "{}"}, {"rope_parameters", R"({"rope_type": "linear", "factor": 8})"}});
  BOOST_TEST(*model->metadata().f64("llama.rope.scaling.factor") == 8.0);
}

BOOST_AUTO_TEST_CASE(the_original_context_is_read_beside_the_scaling_too) {
  const std::string yarn = R"({"rope_type": "yarn", "factor": 4)";
  const std::string key = R"(, "original_max_position_embeddings": )";
  const std::string_view found = "llama.rope.scaling.original_context_length";
  struct Case {
    std::string scaling, outside;
    std::uint64_t expected;
  };
  for (const auto& [scaling, outside, expected] :
       {Case{yarn + "}", "128", 128}, Case{yarn + key + "128}", "128", 128}, Case{yarn + key + "null}", "128", 128},
        Case{yarn + key + "128}", "null", 128}, Case{yarn + "}", "null", 512}}) {
    const TemporaryDirectory directory;
    const auto model = configured_with(
        directory,
        {{"max_position_embeddings", "512"}, {"rope_scaling", scaling}, {"original_max_position_embeddings", outside}});
    BOOST_TEST(*model->metadata().u64(found) == expected, scaling << ", " << outside);
  }
  const std::string llama3 = R"({"rope_type": "llama3", "factor": 8)";
  const auto divisors = [](const Config& changes) {
    const TemporaryDirectory directory;
    return values_of(*opened_with(directory, changes), "rope_freqs.weight");
  };
  const auto expected =
      divisors({{"rope_theta", "100"}, {"rope_scaling", llama3 + key + "32}"}, {"max_position_embeddings", "512"}});
  const auto outside = divisors({{"rope_theta", "100"},
                                 {"rope_scaling", llama3 + "}"},
                                 {"original_max_position_embeddings", "32"},
                                 {"max_position_embeddings", "512"}});
  BOOST_TEST(outside == expected, boost::test_tools::per_element());
  for (const std::string& scaling : {yarn, llama3}) {
    expect_config_refused({{"original_max_position_embeddings", "64"}, {"rope_scaling", scaling + key + "128}"}},
                          {"'rope_scaling.original_max_position_embeddings'",
                           "expected 64, as 'original_max_position_embeddings' says, found 128"});
    expect_config_refused({{"original_max_position_embeddings", "0"}, {"rope_scaling", scaling + "}"}},
                          {"'original_max_position_embeddings'", "found 0"});
  }
  const TemporaryDirectory directory;  // what linear scaling does not ask for
  BOOST_TEST(opened_with(directory, {{"original_max_position_embeddings", "64"},
                                     {"rope_scaling", R"({"rope_type": "linear", "factor": 4})"}})
                 ->metadata()
                 .find(found) == nullptr);
}

BOOST_AUTO_TEST_CASE(a_base_that_is_said_twice_must_be_one) {
  for (const std::string key : {"rope_parameters", "rope_scaling"}) {
    expect_config_refused({{"rope_theta", "10000.0"}, {key, R"({"rope_type": "default", "rope_theta": 500000})"}},
                          {"'" + key + ".rope_theta'", "expected 10000, as 'rope_theta' says, found 500000"});
    const TemporaryDirectory directory;
    const auto model = opened_with(
        directory, {{"rope_theta", "500000"}, {key, R"({"rope_type": "default", "rope_theta": 500000.0})"}});
    BOOST_TEST(*model->metadata().f64("llama.rope.freq_base") == 500000.0);
  }
  expect_config_refused({{"partial_rotary_factor", "0.5"}, {"rope_parameters", R"({"partial_rotary_factor": 1.0})"}},
                        {"'partial_rotary_factor'", "only 1", "found 0.5"});
}

BOOST_AUTO_TEST_CASE(a_setting_that_the_type_of_scaling_does_not_use_is_refused) {
  struct Case {
    std::string type, key, value;
  };
  for (const auto& [type, key, value] :
       {Case{"linear", "attention_factor", "2.0"}, Case{"linear", "low_freq_factor", "1.0"},
        Case{"linear", "high_freq_factor", "4.0"}, Case{"linear", "beta_fast", "64"}, Case{"linear", "mscale", "0.7"},
        Case{"linear", "truncate", "false"}, Case{"linear", "short_factor", "[1, 1, 1]"},
        Case{"llama3", "attention_factor", "0.5"}, Case{"llama3", "beta_slow", "2"},
        Case{"llama3", "mscale_all_dim", "1.0"}, Case{"llama3", "attn_factor", "2"},
        Case{"yarn", "low_freq_factor", "1"}, Case{"yarn", "high_freq_factor", "4"},
        Case{"yarn", "long_factor", "[1, 1, 1]"}, Case{"default", "mscale", "2"}, Case{"default", "beta_fast", "64"}}) {
    const std::string factor = type == "default" ? "" : R"(, "factor": 4)";
    expect_config_refused(
        {{"rope_scaling", R"({"type": ")" + type + "\"" + factor + ", \"" + key + "\": " + value + "}"}},
        {"'rope_scaling." + key + "'", "nothing beside the type \"" + type + "\"", "found"});
  }
}

BOOST_AUTO_TEST_CASE(settings_by_kind_of_layer_are_refused) {
  expect_config_refused({{"rope_parameters", R"({"full_attention": {"rope_type": "linear", "factor": 4}})"}},
                        {"'rope_parameters.full_attention'", "expected a setting of all layers, found an object"});
  expect_config_refused({{"rope_scaling", R"({"type": "linear", "factor": 4, "sliding_attention": {}})"}},
                        {"'rope_scaling.sliding_attention'", "found an object"});
}

BOOST_AUTO_TEST_CASE(rotary_settings_as_real_directories_have_them_are_accepted) {
  struct Case {
    std::string about;
    Config changes;
    std::string type;  // none: nothing in the metadata
  };
  const std::string llama3 = R"("factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 8192, "rope_type": "llama3")";
  for (const auto& [about, changes, type] :
       {Case{"Llama 3.1", {{"rope_theta", "500000.0"}, {"rope_scaling", "{" + llama3 + "}"}}, ""},
        Case{"Llama 3.1, written anew",
             {{"rope_theta", ""}, {"rope_parameters", "{" + llama3 + R"(, "rope_theta": 500000.0})"}},
             ""},
        Case{"Llama 2 and TinyLlama", {{"rope_theta", "10000.0"}, {"rope_scaling", "null"}}, ""},
        Case{"Mistral",
             {{"model_type", "\"mistral\""},
              {"rope_theta", ""},
              {"rope_parameters", R"({"rope_theta": 1000000.0, "rope_type": "default"})"}},
             ""},
        Case{"Vicuna 16k", {{"rope_scaling", R"({"factor": 4.0, "type": "linear"})"}}, "linear"},
        Case{"YaRN's authors",
             {{"rope_scaling", R"({"factor": 16.0, "original_max_position_embeddings": 4096, "type": "yarn",
                                      "finetuned": true})"}},
             "yarn"},
        Case{"neutral settings of other types",
             {{"rope_scaling", R"({"rope_type": "linear", "factor": 4.0, "attention_factor": 1.0, "beta_fast": 32,
                                      "beta_slow": 1, "mscale": 0, "mscale_all_dim": null, "truncate": true,
                                      "low_freq_factor": null, "original_max_position_embeddings": 128})"}},
             "linear"}}) {
    const TemporaryDirectory directory;
    const auto model = configured_with(directory, changes);
    const auto found = model->metadata().optional_string("llama.rope.scaling.type");
    BOOST_TEST(found->value_or("") == type, about);
  }
}

BOOST_AUTO_TEST_CASE(linear_scaling_is_read_in_its_old_and_its_new_form) {
  for (const Config& changes :
       {Config{{"rope_scaling", R"({"type": "linear", "factor": 2.5})"}, {"rope_theta", "500.0"}},
        Config{{"rope_scaling", R"({"rope_type": "linear", "factor": 2.5})"}, {"rope_theta", "500.0"}},
        Config{{"rope_theta", ""},
               {"rope_parameters", R"({"rope_type": "linear", "factor": 2.5, "rope_theta": 500.0})"}}}) {
    const TemporaryDirectory directory;
    const auto model = opened_with(directory, changes);
    BOOST_TEST(*model->metadata().f64("llama.rope.freq_base") == 500.0);
    BOOST_TEST(*model->metadata().string("llama.rope.scaling.type") == "linear");
    BOOST_TEST(*model->metadata().f64("llama.rope.scaling.factor") == 2.5);
  }
}

BOOST_AUTO_TEST_CASE(yarn_carries_its_betas_and_an_attention_factor_beyond_its_own) {
  const TemporaryDirectory directory;
  const auto model = opened_with(
      directory, {{"rope_scaling", R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2,
                                       "attention_factor": 1.5})"}});
  const auto& metadata = model->metadata();
  BOOST_TEST(*metadata.string("llama.rope.scaling.type") == "yarn");
  BOOST_TEST(*metadata.u64("llama.rope.scaling.original_context_length") == 2U);
  BOOST_TEST(*metadata.f64("llama.rope.scaling.yarn_beta_fast") == 32.0);
  BOOST_TEST(*metadata.f64("llama.rope.scaling.yarn_beta_slow") == 1.0);
  const double own = 1.0 + 0.1 * std::log(4.0);
  BOOST_TEST(std::abs(*metadata.f64("llama.rope.scaling.attn_factor") * own - 1.5) < 1e-12);
}

BOOST_AUTO_TEST_CASE(settings_of_yarn_that_are_0_count_as_not_given) {
  const TemporaryDirectory directory;
  const auto model = opened_with(
      directory, {{"rope_scaling", R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2,
                                       "mscale": 2.0, "mscale_all_dim": 0, "beta_fast": 0, "beta_slow": 0.0})"}});
  BOOST_TEST(*model->metadata().f64("llama.rope.scaling.attn_factor") == 1.0);
  BOOST_TEST(*model->metadata().f64("llama.rope.scaling.yarn_beta_fast") == 32.0);
  BOOST_TEST(*model->metadata().f64("llama.rope.scaling.yarn_beta_slow") == 1.0);
}

BOOST_AUTO_TEST_CASE(both_scales_of_yarn_divide_each_other) {
  const TemporaryDirectory directory;
  const auto model = opened_with(
      directory, {{"rope_scaling", R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2,
                                       "mscale": 2.0, "mscale_all_dim": 0.5})"}});
  const double logarithm = 0.1 * std::log(4.0);
  const double expected = (1.0 + 2.0 * logarithm) / (1.0 + 0.5 * logarithm) / (1.0 + logarithm);
  BOOST_TEST(std::abs(*model->metadata().f64("llama.rope.scaling.attn_factor") - expected) < 1e-12);
}

BOOST_AUTO_TEST_CASE(llama3_scaling_becomes_the_tensor_that_divides_the_frequencies) {
  const TemporaryDirectory directory;
  const auto model = opened_with(
      directory,
      {{"rope_theta", "100.0"}, {"rope_scaling", R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                       "high_freq_factor": 4.0, "original_max_position_embeddings": 32})"}});
  const auto divisors = values_of(*model, "rope_freqs.weight");
  BOOST_REQUIRE_EQUAL(divisors.size(), 3U);
  // Turns in the original context: 32 / (2 pi) = 5.09, 1.097 and 0.236: kept, mixed, stretched.
  const double turns = 32.0 * std::pow(100.0, -1.0 / 3.0) / (2.0 * 3.14159265358979323846);
  const double keep = (turns - 1.0) / 3.0;
  BOOST_TEST(divisors[0] == 1.0F);
  BOOST_TEST(std::abs(divisors[1] - 1.0 / ((1.0 - keep) / 8.0 + keep)) < 1e-5);
  BOOST_TEST(divisors[2] == 8.0F);
  BOOST_TEST(model->metadata().find("llama.rope.scaling.type") == nullptr);
}

BOOST_AUTO_TEST_CASE(what_no_plugin_computes_is_refused_by_key_and_value) {
  expect_config_refused({{"attention_bias", "true"}}, {"attention_bias", "only false"});
  expect_config_refused({{"mlp_bias", "true"}}, {"mlp_bias"});
  expect_config_refused({{"hidden_act", "\"gelu\""}}, {"hidden_act", "expected silu", "gelu"});
  expect_config_refused({{"partial_rotary_factor", "0.5"}}, {"partial_rotary_factor"});
  expect_config_refused({{"rope_scaling", R"({"type": "dynamic", "factor": 2.0})"}}, {"type", "dynamic"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "longrope", "factor": 2.0})"}}, {"rope_type", "longrope"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "yarn", "factor": 2.0, "truncate": false})"}}, {"truncate"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "linear", "factor": 2.0})"},
                         {"rope_parameters", R"({"rope_type": "default", "rope_theta": 500.0})"}},
                        {"rope_scaling", "rope_parameters"});
}

BOOST_AUTO_TEST_CASE(a_value_of_another_kind_is_refused_with_what_was_expected_and_what_was_found) {
  const std::string integer = "expected an integer of 0 or more, found ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\"4096\"", "\"4096\""}, {"6.0", "6.0"},      {"-6", "-6"},
      {"true", "true"},         {"[4]", "an array"}, {"{}", "an object"}};
  for (const auto& [text, found] : cases)
    expect_config_refused({{"hidden_size", text}}, {"'hidden_size'", integer + found});
  expect_config_refused({{"hidden_size", "null"}}, {"'hidden_size'", "is missing, expected an integer of 0 or more"});
  expect_config_refused({{"rms_norm_eps", "\"1e-5\""}}, {"'rms_norm_eps'", "expected a number, found \"1e-5\""});
  expect_config_refused({{"tie_word_embeddings", "1"}}, {"'tie_word_embeddings'", "expected true or false, found 1"});
  expect_config_refused({{"hidden_act", "7"}}, {"'hidden_act'", "expected a string, found 7"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": 3})"}},
                        {"'rope_scaling.rope_type'", "expected a string, found 3"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "linear", "factor": "2"})"}},
                        {"'rope_scaling.factor'", "expected a number, found \"2\""});
}

BOOST_AUTO_TEST_CASE(sizes_that_cannot_be_are_refused_by_key) {
  expect_config_refused({{"num_attention_heads", "0"}}, {"'num_attention_heads'", "expected 1 to", "found 0"});
  for (const std::string key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings", "vocab_size"}) {
    expect_config_refused({{key, "0"}}, {"'" + key + "'", "expected 1 to", "found 0"});
    expect_config_refused({{key, "4294967296"}}, {"'" + key + "'", "expected 1 to", "found 4294967296"});
  }
  expect_config_refused({{"num_hidden_layers", "513"}}, {"'num_hidden_layers'", "expected 1 to 512, found 513"});
  expect_config_refused({{"num_key_value_heads", "0"}}, {"'num_key_value_heads'", "expected 1 to", "found 0"});
  expect_config_refused({{"num_key_value_heads", "3"}},
                        {"'num_key_value_heads'", "expected a divisor of num_attention_heads 2, found 3"});
  expect_config_refused({{"head_dim", "5"}}, {"head_dim", "even"});
  expect_config_refused({{"head_dim", "0"}}, {"head_dim"});
  expect_config_refused({{"head_dim", "1000000000000"}}, {"head_dim"});
  expect_config_refused({{"head_dim", ""}, {"num_attention_heads", "3"}}, {"num_attention_heads", "divisor"});
  expect_config_refused({{"hidden_size", ""}}, {"hidden_size", "missing"});
  expect_config_refused({{"rms_norm_eps", "0"}}, {"'rms_norm_eps'", "expected a finite number above 0, found 0"});
  expect_config_refused({{"rope_theta", "-1.0"}}, {"'rope_theta'", "expected a finite number above 0, found -1.0"});
  expect_config_refused({{"rope_scaling", "7"}}, {"'rope_scaling'", "expected an object, found 7"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "linear"})"}},
                        {"'rope_scaling.factor'", "is missing, expected a finite number above 0"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "yarn", "factor": 2, "mscale_all_dim": -1})"}},
                        {"'rope_scaling.mscale_all_dim'", "expected a finite number above 0, found -1"});
  expect_config_refused(
      {{"rope_scaling", R"({"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 1e30})"}},
      {"'rope_scaling.original_max_position_embeddings'", "expected an integer of 0 or more, found 1"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "linear", "factor": 0})"}}, {"factor", "above 0"});
  expect_config_refused({{"rope_scaling", R"({"rope_type": "llama3", "factor": 2, "low_freq_factor": 4})"}},
                        {"high_freq_factor"});
  expect_config_refused({{"model_type", "\"mistral\""}, {"sliding_window", "0"}}, {"sliding_window"});
}

BOOST_AUTO_TEST_CASE(a_gguf_file_is_checked_the_same_way) {
  expect_opened(TemporaryDirectory().write("model.gguf", tiny_llama_gguf().bytes()));
  expect_gguf_refused([](GgufWriter& w) { w.set("llama.expert_count", gguf_u32(8)); }, {"llama.expert_count", "8"});
  expect_gguf_refused([](GgufWriter& w) { w.set("llama.rope.scaling.type", gguf_text("longrope")); },
                      {"llama.rope.scaling.type", "longrope"});
  expect_gguf_refused([](GgufWriter& w) { w.set("llama.attention.value_length", gguf_u32(4)); },
                      {"llama.attention.value_length", "expected 6", "found 4"});
  expect_gguf_refused([](GgufWriter& w) { w.set("llama.attention.head_count_kv", gguf_u32(3)); },
                      {"llama.attention.head_count_kv", "divisor"});
  expect_gguf_refused([](GgufWriter& w) { w.set("llama.attention.key_length", gguf_u32(70000)); },
                      {"llama.attention.key_length"});
  for (const std::uint32_t part : {0U, 3U, 4U, 8U}) {
    expect_gguf_refused([part](GgufWriter& w) { w.set("llama.rope.dimension_count", gguf_u32(part)); },
                        {"llama.rope.dimension_count", "expected 6, the length of a head", std::to_string(part)});
  }
  expect_gguf_refused(
      [](GgufWriter& w) {
        w.tensors.push_back({"rope_freqs.weight", {4}, 0, tiny_data(0, 4, 1, false)});
      },
      {"rope_freqs.weight", "[3]", "[4]"});
  expect_gguf_refused([](GgufWriter& w) { w.tensors.erase(w.tensors.begin() + 3); },
                      {"blk.0.attn_k.weight", "missing"});
  expect_gguf_refused(
      [](GgufWriter& w) {
        w.tensors.push_back({"blk.0.attn_q.bias", {12}, 0, tiny_data(0, 12, 1, false)});
      },
      {"blk.0.attn_q.bias", "not part of a llama model"});
}

BOOST_AUTO_TEST_CASE(every_fixture_has_the_same_tensors_as_its_gguf_file) {
  const std::filesystem::path folder = std::filesystem::path(LLORCH_SOURCE_DIR) / "tests/fixtures";
  for (const std::string name :
       {"llama_random", "llama_random_llama3", "llama_random_yarn", "llama_random_linear", "mistral_random"}) {
    const auto directory = expect_opened(folder / name);
    const auto gguf = expect_opened(folder / (name + ".gguf"));
    BOOST_REQUIRE_EQUAL(directory->tensors().size(), gguf->tensors().size());
    for (std::size_t i = 0; i < directory->tensors().size(); ++i) {
      const auto& ours = directory->tensors()[i];
      const auto theirs = std::find_if(gguf->tensors().begin(), gguf->tensors().end(),
                                       [&](const auto& tensor) { return tensor.name == ours.name; });
      BOOST_REQUIRE_MESSAGE(theirs != gguf->tensors().end(), name << " has " << ours.name);
      BOOST_TEST(ours.dims == theirs->dims, boost::test_tools::per_element());
      if (ours.ggml_type != theirs->ggml_type) continue;  // vectors are f32 in every GGUF file
      std::vector<std::byte> a(ours.nbytes);
      std::vector<std::byte> b(theirs->nbytes);
      BOOST_REQUIRE(directory->read_tensor(i, 0, a));
      BOOST_REQUIRE(gguf->read_tensor(static_cast<std::uint64_t>(theirs - gguf->tensors().begin()), 0, b));
      BOOST_TEST((a == b), name << ", " << ours.name);
    }
    for (const auto& [key, value] : gguf->metadata().entries()) {
      if (!key.starts_with("llama.")) continue;
      BOOST_TEST((directory->metadata().find(key) != nullptr), name << " has " << key);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
