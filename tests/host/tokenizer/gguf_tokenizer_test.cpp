// Tokenizer metadata of GGUF files.
#include "tokenizer/gguf_tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "gguf_file.hpp"
#include "tokenizer/byte_alphabet.hpp"

namespace llorch::tokenizer {
namespace {

using model_file::Array;
using model_file::ElementType;
using model_file::Metadata;
using model_file::Value;
using Ids = std::vector<TokenId>;

struct BpeFile : GgufFile {
  // The 256 bytes, 256 "he", 257 "<s>" (control), 258 "<user>" (user-defined), 259 "[PAD]" (unused)
  BpeFile() {
    merges = {"h e"};
    for (int byte = 0; byte < 256; ++byte)
      tokens.push_back(bytes_to_spelling(std::string(1, static_cast<char>(byte))));
    tokens.insert(tokens.end(), {"he", "<s>", "<user>", "[PAD]"});
    types.assign(257, 1);
    types.insert(types.end(), {3, 4, 5});
    values["tokenizer.ggml.model"] = std::string_view("gpt2");
    values["tokenizer.ggml.pre"] = std::string_view("gpt-2");
    values["tokenizer.ggml.bos_token_id"] = std::uint64_t{257};
    values["tokenizer.ggml.eos_token_id"] = std::uint64_t{257};
  }
};

std::string failure_with(const std::function<void(BpeFile&)>& change) {
  BpeFile file;
  change(file);
  return file.failure();
}

BOOST_AUTO_TEST_SUITE(gguf_tokenizer)

BOOST_AUTO_TEST_CASE(lists_and_types_are_read) {
  const auto tokenizer = BpeFile().loaded();
  BOOST_TEST(
      (tokenizer->encode("he<s><user>[PAD]", {.parse_special = true}) == Ids{256, 257, 258, '[', 'P', 'A', 'D', ']'}));
  BOOST_TEST((tokenizer->encode("<s>") == Ids{'<', 's', '>'}));
  BOOST_TEST(tokenizer->is_special(257));
  BOOST_TEST(!tokenizer->is_special(258));
  BOOST_TEST(tokenizer->token_bytes(259) == "[PAD]");
  BOOST_TEST((tokenizer->eos() == 257));
  BOOST_TEST((tokenizer->encode("e", {.add_special = true}) == Ids{'e'}));
}

BOOST_AUTO_TEST_CASE(without_types_the_ends_of_text_are_special) {
  BpeFile file;
  file.types.clear();
  const auto tokenizer = file.loaded();
  BOOST_TEST(tokenizer->is_special(257));
  BOOST_TEST((tokenizer->encode("<s><user>", {.parse_special = true}) == Ids{257, '<', 'u', 's', 'e', 'r', '>'}));
  file.values.erase("tokenizer.ggml.bos_token_id");
  file.values.erase("tokenizer.ggml.eos_token_id");
  BOOST_TEST(!file.loaded()->is_special(257));
}

BOOST_AUTO_TEST_CASE(rules_and_end_of_turn_tokens_are_read) {
  BpeFile file;
  file.values["tokenizer.ggml.add_bos_token"] = true;
  file.values["tokenizer.ggml.add_eos_token"] = true;
  file.values["tokenizer.ggml.add_space_prefix"] = true;
  file.values["tokenizer.ggml.eot_token_id"] = std::uint64_t{258};
  file.values["tokenizer.ggml.eom_token_id"] = std::uint64_t{259};
  const auto tokenizer = file.loaded();
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{257, ' ', 256, 257}));
  for (const TokenId id : {257, 258, 259})
    BOOST_TEST(tokenizer->ends_generation(id));
}

BOOST_AUTO_TEST_CASE(a_pre_tokenizer_may_be_unnamed) {
  for (const char* name : {"", "default"}) {
    BpeFile file;
    file.values.erase("tokenizer.ggml.pre");
    if (*name != '\0') file.values["tokenizer.ggml.pre"] = std::string_view(name);
    BOOST_TEST((file.loaded()->encode("he he") == Ids{256, ' ', 256}));
  }
}

BOOST_AUTO_TEST_CASE(the_pre_tokenizer_named_is_the_one_used) {
  const auto ids = [](const char* name, std::string_view text, bool add_special) {
    BpeFile file;
    file.values["tokenizer.ggml.pre"] = std::string_view(name);
    return file.loaded()->encode(text, {.add_special = add_special});
  };
  BOOST_TEST((ids("gpt-2", "HE'Sh e", false) == Ids{'H', 'E', '\'', 'S', 'h', ' ', 'e'}));
  // Llama-3's pattern puts other characters before a word, so that no merge crosses "-h".
  BOOST_TEST((ids("llama-bpe", "-he", false) == Ids{'-', 256}));
  BOOST_TEST((ids("llama-bpe", "he", true) == Ids{257, 256}));  // BOS without being told
  BOOST_TEST((ids("qwen2", "he", true) == Ids{256}));
}

// Every name has patterns that compile, stay within their limits and lose nothing of a text.
BOOST_AUTO_TEST_CASE(all_named_pre_tokenizers_keep_the_whole_text) {
  const std::string text =
      "Hello, it's 12345 \t\n\n  na\xC3\xAFve \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\xA6\x99! I'LL  \xFF x ";
  for (const char* name : {"default",       "gpt-2",          "llama3",      "llama-v3",
                           "llama-bpe",     "falcon3",        "pixtral",     "dbrx",
                           "smaug-bpe",     "chatglm-bpe",    "glm4",        "qwen2",
                           "qwen35",        "stablelm2",      "starcoder",   "refact",
                           "command-r",     "smollm",         "codeshell",   "exaone",
                           "minerva-7b",    "tekken",         "gpt-4o",      "llama4",
                           "deepseek-llm",  "deepseek-coder", "deepseek-v3", "deepseek-r1-qwen",
                           "hunyuan-dense", "falcon",         "bloom",       "viking",
                           "bailingmoe",    "seed-coder",     "minicpm5",    "jais-2",
                           "mpt",           "olmo",           "phi-2",       "lfm2"}) {
    BpeFile file;
    file.values["tokenizer.ggml.pre"] = std::string_view(name);
    const auto tokenizer = file.loaded();
    BOOST_TEST(tokenizer->decode(tokenizer->encode(text)) == text, name);
  }
}

BOOST_AUTO_TEST_CASE(tokens_called_like_the_end_of_an_answer_end_it) {
  BpeFile file;
  file.tokens.insert(file.tokens.end(), {"<|eot_id|>", "</s>"});
  file.types.insert(file.types.end(), {1, 1});
  auto tokenizer = file.loaded();
  BOOST_TEST(tokenizer->ends_generation(260));
  BOOST_TEST(tokenizer->is_special(260));
  BOOST_TEST(!tokenizer->ends_generation(261));  // ordinary text, as the file says
  file.types[261] = 3;
  BOOST_TEST(file.loaded()->ends_generation(261));
}

BOOST_AUTO_TEST_CASE(where_return_ends_the_answer_end_does_not) {
  BpeFile file;
  file.tokens.insert(file.tokens.end(), {"<|end|>", "<|return|>"});
  file.types.insert(file.types.end(), {3, 3});
  const auto tokenizer = file.loaded();
  BOOST_TEST(!tokenizer->ends_generation(260));
  BOOST_TEST(tokenizer->ends_generation(261));
}

BOOST_AUTO_TEST_CASE(other_kinds_are_refused_by_name) {
  BOOST_TEST(
      failure_with([](BpeFile& f) { f.values["tokenizer.ggml.model"] = std::string_view("t5"); }) ==
      "file.gguf: tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece BPE), found "
      "\"t5\"");
  BOOST_TEST(
      failure_with([](BpeFile& f) { f.values["tokenizer.ggml.pre"] = std::string_view("no-such"); }) ==
      "file.gguf: tokenizer.ggml.pre: expected the name of a pre-tokenizer that is supported, found \"no-such\"");
}

BOOST_AUTO_TEST_CASE(missing_keys_and_wrong_types_are_named) {
  for (const char* key : {"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    BpeFile file;
    file.values.erase(key);
    if (key == std::string_view("tokenizer.ggml.tokens")) file.tokens.clear();
    if (key == std::string_view("tokenizer.ggml.merges")) file.merges.clear();
    BOOST_TEST(file.failure().find(key) != std::string::npos, file.failure());
    file.values[key] = std::uint64_t{3};
    BOOST_TEST(file.failure().find(key) != std::string::npos, file.failure());
  }
}

BOOST_AUTO_TEST_CASE(lists_of_another_length_are_refused) {
  BOOST_TEST(failure_with([](BpeFile& f) { f.types.pop_back(); }) ==
             "file.gguf: tokenizer.ggml.token_type: expected 260 types, one a token, found 259");
  BOOST_TEST(failure_with([](BpeFile& f) { f.scores.assign(259, 0.0F); }) ==
             "file.gguf: tokenizer.ggml.scores: expected 260 scores, one a token, found 259");
  BOOST_TEST(failure_with([](BpeFile& f) { f.scores.assign(260, 0.0F); }) == "none");
  const std::string wrong_type =
      failure_with([](BpeFile& f) { f.values["tokenizer.ggml.scores"] = std::string_view("x"); });
  BOOST_TEST(wrong_type.find("tokenizer.ggml.scores") != std::string::npos, wrong_type);
}

BOOST_AUTO_TEST_CASE(token_types_out_of_range_are_refused) {
  for (const std::int32_t type : {-1, 0, 6, 7}) {
    BOOST_TEST(failure_with([&](BpeFile& f) { f.types[3] = type; }) ==
               "file.gguf: tokenizer.ggml.token_type[3]: expected a type from 1 to 5, found " + std::to_string(type));
  }
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  for (const char* name : {"bos", "eos", "eot", "eom", "unknown", "padding", "seperator"}) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    for (const std::uint64_t id : {std::uint64_t{260}, std::uint64_t{0xFFFFFFFE}, ~std::uint64_t{0}}) {
      BOOST_TEST(failure_with([&](BpeFile& f) { f.values[key] = id; }) ==
                 "file.gguf: " + key + ": expected a token id below 260, found " + std::to_string(id));
    }
    const std::string negative = failure_with([&](BpeFile& f) { f.values[key] = std::int64_t{-1}; });
    BOOST_TEST(negative.find(key) != std::string::npos, negative);
  }
}

BOOST_AUTO_TEST_CASE(minus_one_in_32_bits_means_none_but_not_for_the_ends_of_text) {
  for (const char* name : {"eot", "eom", "unknown", "padding", "seperator"}) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    BOOST_TEST(failure_with([&](BpeFile& f) { f.values[key] = std::uint64_t{0xFFFFFFFF}; }) == "none");
  }
  for (const char* name : {"bos", "eos"}) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    BOOST_TEST(failure_with([&](BpeFile& f) { f.values[key] = std::uint64_t{0xFFFFFFFF}; }) ==
               "file.gguf: " + key + ": expected a token id below 260, found 4294967295");
  }
}

BOOST_AUTO_TEST_CASE(a_rule_without_its_token_is_refused) {
  BOOST_TEST(failure_with([](BpeFile& f) {
               f.values.erase("tokenizer.ggml.bos_token_id");
               f.values["tokenizer.ggml.add_bos_token"] = true;
             }) ==
             "file.gguf: tokenizer.ggml.add_bos_token: expected tokenizer.ggml.bos_token_id beside it, found none");
}

BOOST_AUTO_TEST_CASE(broken_merges_and_tokens_are_refused) {
  BOOST_TEST(failure_with([](BpeFile& f) { f.merges = {"he"}; }) ==
             "file.gguf: tokenizer.ggml.merges[0]: expected two tokens with one space between, found \"he\"");
  BOOST_TEST(failure_with([](BpeFile& f) {
               f.merges = {"h e", "e zz"};
             }) ==
             "file.gguf: tokenizer.ggml.merges[1]: merge of \"e\" and \"zz\": expected tokens of the vocabulary, "
             "\"zz\" is not one");
  BOOST_TEST(failure_with([](BpeFile& f) { f.tokens[7] = "x"; }) ==
             "file.gguf: tokenizer.ggml.tokens: tokens 7 and 120 are both \"x\"");
  BOOST_TEST(failure_with([](BpeFile& f) { f.tokens[9] = ""; }).find("the first missing is 0x09") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
