// tokenizer.json: what is honoured, and what is refused by name.
#include "tokenizer/tokenizer_json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/byte_vocabulary.hpp"

namespace llorch::tokenizer {
namespace {

namespace json = boost::json;
using llorch::testing::ByteVocabulary;
using Ids = std::vector<TokenId>;

// 256 "he", 257 "<s>", 258 "</s>"
json::object small_document() {
  return ByteVocabulary()
      .merge("h", "e")
      .add({.content = "<s>", .special = true})
      .add({.content = "</s>", .special = true, .rstrip = true})
      .document();
}

Result<std::unique_ptr<Tokenizer>> load(const json::value& document) {
  auto spec = bpe_from_tokenizer_json(document, "tokenizer.json");
  if (!spec) return spec.error();
  return make_bpe_tokenizer(*spec);
}

std::unique_ptr<Tokenizer> loaded(const json::value& document) {
  auto tokenizer = load(document);
  BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
  return std::move(*tokenizer);
}

// The document with the value at a path replaced; "/added_tokens/0/id" and the like.
json::value with(json::value document, std::string_view path, std::string_view value) {
  json::value* place = &document;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view step = path.substr(0, path.find('/'));
    path.remove_prefix(step.size());
    place = place->is_array() ? &place->as_array().at(static_cast<std::size_t>(std::stoi(std::string(step))))
                              : &place->as_object()[step];
  }
  *place = json::parse(value);
  return document;
}

struct Change {
  std::string_view pointer;
  std::string_view value;
  std::string_view expected;  // the message, or its end after the field
};

BOOST_AUTO_TEST_SUITE(tokenizer_json)

BOOST_AUTO_TEST_CASE(vocabulary_merges_and_added_tokens_are_read) {
  const auto tokenizer = loaded(small_document());
  BOOST_TEST((tokenizer->encode("he</s>  e", {.parse_special = true}) == Ids{256, 258, 'e'}));
  BOOST_TEST((tokenizer->encode("<s>") == Ids{'<', 's', '>'}));
  BOOST_TEST(tokenizer->is_special(257));
}

BOOST_AUTO_TEST_CASE(merges_may_be_strings) {
  const auto tokenizer = loaded(with(small_document(), "/model/merges", R"(["h e"])"));
  BOOST_TEST((tokenizer->encode("he") == Ids{256}));
}

BOOST_AUTO_TEST_CASE(options_that_change_nothing_are_accepted) {
  json::value document = small_document();
  for (const auto& [pointer, value] : std::vector<std::pair<const char*, const char*>>{
           {"/truncation", R"({"max_length":3})"},
           {"/padding", R"({"strategy":"BatchLongest"})"},
           {"/normalizer", R"({"type":"Sequence","normalizers":[]})"},
           {"/pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false}]})"},
           {"/post_processor", R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false})"},
           {"/decoder", "null"},
           {"/model/dropout", "null"},
           {"/model/unk_token", "\"<s>\""},
           {"/model/fuse_unk", "true"},
           {"/model/byte_fallback", "false"},
           {"/model/continuing_subword_prefix", "\"\""},
           {"/model/end_of_word_suffix", "null"}}) {
    document = with(document, pointer, value);
    BOOST_TEST((loaded(document)->encode("he he") == Ids{256, ' ', 256}), pointer);
  }
}

BOOST_AUTO_TEST_CASE(options_of_pre_tokenizer_and_model_are_honoured) {
  const json::value no_regex =
      with(small_document(), "/pre_tokenizer", R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":false})");
  json::value crossing = with(no_regex, "/model/merges", R"([["h","e"],["he","\u0120"]])");
  crossing = with(crossing, "/model/vocab/he\u0120", "259");
  BOOST_TEST((loaded(crossing)->encode("he he") == Ids{' ', 259, 256}));

  json::value whole = with(with(small_document(), "/model/vocab/hey", "259"), "/model/ignore_merges", "true");
  BOOST_TEST((loaded(whole)->encode("hey") == Ids{259}));
}

BOOST_AUTO_TEST_CASE(gpt2s_pattern_is_also_known_as_a_split) {
  json::value document = small_document();
  json::value pattern = json::object{{"Regex", json::string_view(kGpt2Pattern)}};
  document.as_object()["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       json::array{
           {{"type", "Split"}, {"pattern", pattern}, {"behavior", "Isolated"}, {"invert", false}},
           {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}}}};
  BOOST_TEST((loaded(document)->encode("he he") == Ids{256, ' ', 256}));
}

BOOST_AUTO_TEST_CASE(a_template_puts_tokens_around_the_text) {
  constexpr std::string_view kTemplate = R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
    "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"<s>":{"id":"<s>","ids":[257],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[258,257],"tokens":["</s>","<s>"]}}})";
  const auto tokenizer = loaded(with(small_document(), "/post_processor", kTemplate));
  BOOST_TEST((tokenizer->encode("e", {.add_special = true}) == Ids{257, 'e', 258, 257}));
  BOOST_TEST((tokenizer->encode("e") == Ids{'e'}));
  const std::string both =
      R"({"type":"Sequence","processors":[{"type":"ByteLevel","trim_offsets":false},)" + std::string(kTemplate) + "]}";
  BOOST_TEST((loaded(with(small_document(), "/post_processor", both))->encode("", {.add_special = true}) ==
              Ids{257, 258, 257}));
}

BOOST_AUTO_TEST_CASE(patterns_and_digits_come_before_the_bytes) {
  const auto ids = [](std::string_view parts, std::string_view text) {
    const std::string sequence = R"({"type":"Sequence","pretokenizers":[)" + std::string(parts) +
                                 R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})";
    return loaded(with(small_document(), "/pre_tokenizer", sequence))->encode(text);
  };
  BOOST_TEST((ids("", "hehe") == Ids{256, 256}));
  BOOST_TEST((ids(R"({"type":"Split","pattern":{"Regex":"h"},"behavior":"Isolated","invert":false},)", "hehe") ==
              Ids{'h', 'e', 'h', 'e'}));
  BOOST_TEST(
      (ids(R"({"type":"Split","pattern":{"String":"e"},"behavior":"MergedWithPrevious"},)", "hehe") == Ids{256, 256}));
  BOOST_TEST(
      (ids(R"({"type":"Split","pattern":{"String":"-"},"behavior":"Removed"},)", "h-e-he") == Ids{'h', 'e', 256}));
  BOOST_TEST((ids(R"({"type":"Digits","individual_digits":true},)", "he12") == Ids{256, '1', '2'}));
}

BOOST_AUTO_TEST_CASE(what_is_not_supported_is_refused_by_name) {
  const std::vector<Change> changes = {
      {"/normalizer", R"({"type":"NFC"})", "normalizer.type: expected no normalizer, found \"NFC\""},
      {"/normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"}]})",
       "normalizer.normalizers[0].type: expected no normalizer, found \"NFKC\""},
      {"/model/type", "\"Unigram\"", "model.type: expected \"BPE\", found \"Unigram\""},
      {"/model/dropout", "0.1", "model.dropout: expected null or 0, found the number 0.1"},
      {"/model/continuing_subword_prefix", "\"##\"",
       "model.continuing_subword_prefix: expected null or \"\", found \"##\""},
      {"/model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix: expected null or \"\", found \"</w>\""},
      {"/model/later_option", "true", "model.later_option: expected an option known to this version, found true"},
      {"/later_part", "{}", "later_part: expected an option known to this version, found an object"},
      {"/added_tokens/0/later_flag", "1",
       "added_tokens[0].later_flag: expected an option known to this version, found the number 1"},
      {"/pre_tokenizer", "null", "pre_tokenizer: expected ByteLevel, alone or after others, found 0 parts"},
      {"/pre_tokenizer/later_option", "1",
       "pre_tokenizer.later_option: expected an option known to this version, found the number 1"},
      {"/pre_tokenizer",
       R"({"type":"Sequence","pretokenizers":[{"type":"Punctuation"},{"type":"ByteLevel","add_prefix_space":false}]})",
       "pre_tokenizer.pretokenizers[0].type: expected \"Split\" or \"Digits\" before ByteLevel, found \"Punctuation\""},
      {"/pre_tokenizer",
       R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel","add_prefix_space":true}]})",
       "pre_tokenizer.pretokenizers[1].add_prefix_space: expected false after other pre-tokenizers, found true"},
      {"/pre_tokenizer",
       R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false}]})",
       "pre_tokenizer.pretokenizers[0].pattern: pattern \"(a\": expected a regular expression, found: missing closing "
       "parenthesis"},
      {"/pre_tokenizer",
       R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false}]})",
       "pre_tokenizer.pretokenizers[0].pattern: pattern \"(a+)+$\": expected at most 16777216 steps on a plain text of "
       "2049 bytes, found: match limit exceeded"},
      {"/pre_tokenizer",
       R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a"},"behavior":"Melted"},{"type":"ByteLevel","add_prefix_space":false}]})",
       "pre_tokenizer.pretokenizers[0].behavior: expected \"Isolated\", \"Removed\", \"MergedWithPrevious\", "
       "\"MergedWithNext\" or \"Contiguous\", found \"Melted\""},
      {"/post_processor", R"({"type":"RobertaProcessing"})",
       "post_processor.type: expected \"ByteLevel\" or one \"TemplateProcessing\", found \"RobertaProcessing\""},
      {"/decoder", R"({"type":"Sequence","decoders":[{"type":"ByteFallback"}]})",
       "decoder.decoders[0].type: expected \"ByteLevel\", found \"ByteFallback\""},
  };
  for (const Change& change : changes) {
    const auto tokenizer = load(with(small_document(), change.pointer, change.value));
    BOOST_REQUIRE_MESSAGE(!tokenizer, change.expected);
    BOOST_TEST((tokenizer.error().code == ErrorCode::kUnsupported), change.expected);
    BOOST_TEST(tokenizer.error().message == "tokenizer.json: " + std::string(change.expected));
  }
}

BOOST_AUTO_TEST_CASE(what_is_broken_is_an_error_that_names_the_place) {
  const std::vector<Change> changes = {
      {"", "[]", "expected an object at the root, found an array of 0"},
      {"/model", "null", "model: expected an object, found nothing"},
      {"/model", "3", "model: expected an object, found the number 3"},
      {"/model/type", "3", "model.type: expected a string, found the number 3"},
      {"/model/vocab", "[]", "model.vocab: expected an object, found an array of 0"},
      {"/model/vocab", "null", "model.vocab: expected an object, found nothing"},
      {"/model/vocab", "{}",
       "model.vocab: expected a token for each byte that texts are made of, found 211 missing; the first missing is "
       "0x09, "
       "spelled \"\u0109\""},
      {"/model/vocab/x", "-1", "model.vocab: \"x\": expected a token id from 0 to 1048575, found the number -1"},
      {"/model/vocab/x", "1.5", "model.vocab: \"x\": expected a token id from 0 to 1048575, found the number 1.5"},
      {"/model/vocab/x", "4294967296",
       "model.vocab: \"x\": expected a token id from 0 to 1048575, found the number 4294967296"},
      {"/model/vocab/x", "18446744073709551615",
       "model.vocab: \"x\": expected a token id from 0 to 1048575, found the number 18446744073709551615"},
      {"/model/vocab/xy", "65", "model.vocab: \"xy\": expected an id of its own, found 65, the id of \"A\""},
      {"/model/merges", "null", "model.merges: expected an array, found nothing"},
      {"/model/merges", "{}", "model.merges: expected an array, found an object"},
      {"/model/merges", "[\"he\"]",
       "model.merges[0]: expected two tokens with one space between, found the string \"he\""},
      {"/model/merges", "[\"h e e\"]",
       "model.merges[0]: expected two tokens with one space between, found the string \"h e e\""},
      {"/model/merges", "[\"h \"]",
       "model.merges[0]: expected two tokens with one space between, found the string \"h \""},
      {"/model/merges", "[[\"h\"]]", "model.merges[0]: expected a string or a pair of strings, found an array of 1"},
      {"/model/merges", "[[\"h\",1]]", "model.merges[0]: expected a string or a pair of strings, found an array of 2"},
      {"/model/merges", "[\"h e\",\"zz e\"]",
       "model.merges[1]: merge of \"zz\" and \"e\": expected tokens of the vocabulary, \"zz\" is not one"},
      {"/model/ignore_merges", "1", "model.ignore_merges: expected true or false, found the number 1"},
      {"/added_tokens", "{}", "added_tokens: expected an array, found an object"},
      {"/added_tokens/0", "null", "added_tokens[0]: expected an object, found null"},
      {"/added_tokens/0/id", "null", "added_tokens[0].id: expected a token id, found nothing"},
      {"/added_tokens/0/id", "-1", "added_tokens[0].id: expected a token id from 0 to 1048575, found the number -1"},
      {"/added_tokens/0/content", "null", "added_tokens[0].content: expected a string, found nothing"},
      {"/added_tokens/0/special", "\"yes\"",
       "added_tokens[0].special: expected true or false, found the string \"yes\""},
      {"/added_tokens/0/id", "258", "added tokens \"<s>\" and \"</s>\" have the same id 258"},
      {"/pre_tokenizer/add_prefix_space", "null",
       "pre_tokenizer.add_prefix_space: expected true or false, found nothing"},
      {"/pre_tokenizer", R"({"type":"Sequence"})", "pre_tokenizer.pretokenizers: expected an array, found nothing"},
      {"/pre_tokenizer", R"({"type":"Sequence","pretokenizers":[1]})",
       "pre_tokenizer.pretokenizers[0]: expected an object, found the number 1"},
      {"/post_processor", R"({"type":"TemplateProcessing"})",
       "post_processor.single: expected an array, found nothing"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[]})",
       "post_processor.single: expected the sequence A, found none"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[7]})",
       "post_processor.single[0]: expected a Sequence or a SpecialToken with an id, found the number 7"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}]})",
       "post_processor.single[0]: expected the sequence A, once, found \"B\""},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}]})",
       "post_processor.special_tokens: expected ids for \"<s>\", found none"},
      {"/post_processor",
       R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}}],"special_tokens":{"x":{"ids":[9999]}}})",
       "token added around the text: expected a token id below 259, found 9999"},
  };
  for (const Change& change : changes) {
    const auto tokenizer = load(with(small_document(), change.pointer, change.value));
    BOOST_REQUIRE_MESSAGE(!tokenizer, change.expected);
    BOOST_TEST((tokenizer.error().code == ErrorCode::kBadModel), change.expected);
    BOOST_TEST(tokenizer.error().message == "tokenizer.json: " + std::string(change.expected));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
