// tokenizer.model: what is read, what is refused, and what broken files get.
#include "tokenizer/spm_model_file.hpp"

#include <spdlog/fmt/fmt.h>

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "cases.hpp"
#include "support/temporary_directory.hpp"
#include "tokenizer/hugging_face.hpp"

namespace llorch::tokenizer {
namespace {

using Ids = std::vector<TokenId>;
using llorch::testing::TemporaryDirectory;

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string number(std::uint32_t field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string bytes(std::uint32_t field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string floating(std::uint32_t field, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  std::string out = varint(field << 3 | 5);
  for (int i = 0; i < 4; ++i)
    out.push_back(static_cast<char>(bits >> (8 * i)));
  return out;
}
std::string piece(const std::string& spelling, float score, int type = 1) {
  return bytes(1, bytes(1, spelling) + floating(2, score) + (type == 1 ? std::string() : number(3, type)));
}

constexpr const char* kMark = "\xE2\x96\x81";

/// A model file, part by part. 0 <unk>, 1 <s>, 2 </s>, 3 to 258 bytes, then "_", "h", "e", "he", "_he".
struct FileParts {
  std::string pieces;
  std::string trainer = number(3, 2) + number(35, 1);
  std::string normalizer = bytes(1, "identity") + number(3, 1) + number(4, 0) + number(5, 1);

  FileParts() {
    pieces = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3);
    for (int byte = 0; byte < 256; ++byte)
      pieces += piece(fmt::format("<0x{:02X}>", byte), 0, 6);
    pieces +=
        piece(kMark, -4) + piece("h", -5) + piece("e", -6) + piece("he", -1) + piece(std::string(kMark) + "he", -2);
  }
  [[nodiscard]] std::string all() const { return pieces + bytes(2, trainer) + bytes(3, normalizer); }
};

Result<std::unique_ptr<Tokenizer>> load(const std::string& file) {
  auto spec = spm_from_model_file(file, "tokenizer.model");
  if (!spec) return spec.error();
  return make_spm_tokenizer(*spec);
}

std::string failure(const std::string& file) {
  const auto tokenizer = load(file);
  return tokenizer ? "none" : tokenizer.error().message;
}

BOOST_AUTO_TEST_SUITE(spm_model_file)

BOOST_AUTO_TEST_CASE(pieces_and_rules_are_read) {
  const auto tokenizer = load(FileParts().all());
  BOOST_REQUIRE_MESSAGE(tokenizer, failure(FileParts().all()));
  BOOST_TEST(((*tokenizer)->encode("hehe", {.add_special = true}) == Ids{1, 263, 262}));
  BOOST_TEST(((*tokenizer)->encode("<s>he", {.parse_special = true}) == Ids{1, 263}));
  BOOST_TEST(((*tokenizer)->bos() == 1));
  BOOST_TEST(((*tokenizer)->eos() == 2));
  BOOST_TEST((*tokenizer)->ends_generation(2));
}

BOOST_AUTO_TEST_CASE(user_defined_tokens_are_found_in_the_text_and_take_no_space) {
  FileParts file;
  file.pieces += piece("<t>", 0, 4);
  const auto tokenizer = load(file.all());
  BOOST_REQUIRE(tokenizer);
  BOOST_TEST(((*tokenizer)->encode("he<t>he") == Ids{263, 264, 262}));
  BOOST_TEST(((*tokenizer)->encode("<t>he") == Ids{259, 264, 262}));
  BOOST_TEST(!(*tokenizer)->is_special(264));
}

// The name has U+2581, which else makes a user-defined token a part of the text.
BOOST_AUTO_TEST_CASE(code_llamas_end_of_a_turn_ends_it) {
  FileParts file;
  const std::string name = std::string(kMark) + "<EOT>";
  file.pieces += piece(name, 0, 4) + piece(std::string(kMark) + "<PRE>", 0, 4) + piece("<over>", 0, 4);
  const TemporaryDirectory directory;
  directory.write("tokenizer.model", file.all());
  auto tokenizer = load_hugging_face_tokenizer(directory.path());
  BOOST_REQUIRE(tokenizer);
  BOOST_TEST((*tokenizer)->ends_generation(264));
  BOOST_TEST((*tokenizer)->is_special(264));
  BOOST_TEST(((*tokenizer)->encode(name, {.parse_special = true}) == Ids{264}));
  for (const TokenId id : {265, 266}) {
    BOOST_TEST(!(*tokenizer)->ends_generation(id));
    BOOST_TEST(!(*tokenizer)->is_special(id));
  }
  directory.write("tokenizer_config.json", R"({"eot_token":"<over>"})");
  tokenizer = load_hugging_face_tokenizer(directory.path());
  BOOST_REQUIRE(tokenizer);
  for (const TokenId id : {2, 264, 266})
    BOOST_TEST((*tokenizer)->ends_generation(id));
}

BOOST_AUTO_TEST_CASE(options_of_the_normalizer_are_honoured) {
  FileParts file;
  file.normalizer = number(3, 0) + number(4, 0);
  BOOST_TEST(((*load(file.all()))->encode("he") == Ids{262}));
  file.normalizer = "";  // the format's defaults: a space before the text, extra ones removed
  BOOST_TEST(((*load(file.all()))->encode("  he  he ") == Ids{263, 263}));
}

BOOST_AUTO_TEST_CASE(other_names_of_the_ends_are_honoured) {
  FileParts file;
  file.pieces += piece("[BOS]", 0, 3) + piece("[EOS]", 0, 3);
  file.trainer += bytes(46, "[BOS]") + bytes(47, "[EOS]");
  const auto tokenizer = load(file.all());
  BOOST_REQUIRE(tokenizer);
  BOOST_TEST(((*tokenizer)->bos() == 264));
  BOOST_TEST(((*tokenizer)->eos() == 265));
}

BOOST_AUTO_TEST_CASE(fields_unknown_to_this_version_are_passed_over) {
  FileParts file;
  const std::string more = bytes(99, "x") + number(100, 7) + floating(101, 1.0F);
  BOOST_TEST(failure(more + file.all() + more) == "none");
  file.trainer += more;
  file.normalizer += more;
  BOOST_TEST(failure(file.all()) == "none");
}

BOOST_AUTO_TEST_CASE(what_is_not_supported_is_refused_by_name) {
  const auto with = [](const std::string& trainer, const std::string& normalizer) {
    FileParts file;
    file.trainer += trainer;
    file.normalizer += normalizer;
    return failure(file.all());
  };
  BOOST_TEST(with(number(3, 1), "") == "tokenizer.model: trainer_spec: model_type: expected 2 (BPE), found 1");
  BOOST_TEST(with(number(24, 1), "") ==
             "tokenizer.model: trainer_spec: treat_whitespace_as_suffix: expected false, found true");
  BOOST_TEST(with("", bytes(1, "nmt_nfkc") + bytes(2, "abc")) ==
             "tokenizer.model: normalizer_spec: expected the identity, found \"nmt_nfkc\" with a table of 3 bytes");
  BOOST_TEST(with("", number(5, 0)) ==
             "tokenizer.model: normalizer_spec: escape_whitespaces: expected true, found false");
}

BOOST_AUTO_TEST_CASE(broken_files_are_errors_that_name_the_place) {
  const FileParts good;
  for (const auto& [file, said] : std::vector<std::pair<std::string, std::string>>{
           {"", "pieces: expected at least one, found none"},
           {"\xFF", "offset 1: expected a varint, found the end"},
           {std::string(11, '\xFF'), "offset 10: expected a varint of at most ten bytes, found a longer one"},
           {std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11),
            "expected a length of at most 0, found 18446744073709551615"},
           {std::string("\x0A\x05"
                        "ab"),
            "offset 2: expected a length of at most 2, found 5"},
           {std::string("\x0B"), "expected a wire type of 0, 1, 2 or 5, found 3"},
           {std::string("\x02\x00", 2), "expected a field's number, found 0"},
           {number(1, 3), "expected bytes in field 1, found a number"},
           {bytes(1, floating(2, 1)), "pieces[0]: piece: expected a spelling, found none"},
           {bytes(1, bytes(1, "a") + number(3, 9)), "pieces[0]: type: expected 1 to 6, found 9"},
           {bytes(1, bytes(1, "a") + bytes(2, "abcd")),
            "pieces[0]: offset 9: expected a float in field 2, found something else"},
           {bytes(1, bytes(1, "a") + "\x15\x01"), "pieces[0]: offset 4: expected 4 bytes, found 1"},
           {good.pieces + bytes(2, bytes(3, "x")), "trainer_spec: offset 3: expected a number in field 3, found bytes"},
           {good.all() + piece("he", 0), "pieces[264]: expected a spelling of its own, found \"he\", the token 262"},
           {good.all() + piece("x", std::bit_cast<float>(0x7FC00000u)),
            "score of token 264 (\"x\"): expected a number, found NaN"},
           {good.all() + piece("<0xZZ>", 0, 6), "pieces[264]: expected a byte, spelled like <0x0A>, found \"<0xZZ>\""},
       }) {
    BOOST_TEST(failure(file).find(said) != std::string::npos, "expected " << said << ", found " << failure(file));
  }
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_file_loads_or_fails_with_a_message) {
  const std::string file = FileParts().all();
  for (std::size_t size = 0; size < file.size(); ++size)
    BOOST_REQUIRE(!failure(file.substr(0, size)).empty());
}

BOOST_AUTO_TEST_CASE(files_beside_it_change_the_rules) {
  const auto ids = [](const char* config, std::string_view text) {
    const TemporaryDirectory directory;
    directory.write("tokenizer.model", FileParts().all());
    directory.write("tokenizer_config.json", config);
    const auto tokenizer = load_hugging_face_tokenizer(directory.path());
    BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
    return (*tokenizer)->encode(text, {.add_special = true, .parse_special = true});
  };
  BOOST_TEST((ids("{}", "he</s>he") == Ids{1, 263, 2, 263}));
  BOOST_TEST((ids(R"({"legacy":false})", "he</s>he") == Ids{1, 263, 2, 262}));
  BOOST_TEST((ids(R"({"add_prefix_space":false})", "he") == Ids{1, 262}));
  BOOST_TEST((ids(R"({"add_bos_token":false,"add_eos_token":true})", "he") == Ids{263, 2}));
  BOOST_TEST((ids(R"({"added_tokens_decoder":{"264":{"content":"<|im_end|>","special":true}}})", "he<|im_end|>") ==
              Ids{1, 263, 264}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
