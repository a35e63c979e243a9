// From an open model to its tokenizer.
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model_file/model_file.hpp"
#include "support/byte_vocabulary.hpp"
#include "support/temporary_directory.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {
namespace {

using llorch::testing::ByteVocabulary;
using llorch::testing::TemporaryDirectory;
using model_file::Array;
using model_file::ElementType;
using model_file::Format;

constexpr std::uint64_t kVocabulary = 257;  // the bytes and "he"

/// A model with a vocabulary of 257 tokens and an embedding of so many rows; 0: without tensors.
class FakeModel final : public model_file::ModelFile {
 public:
  FakeModel(Format format, std::uint64_t rows) : format_(format), path_("model") {
    vocabulary_.merge("h", "e");
    const BpeSpec spec = vocabulary_.spec();
    for (const auto& [left, right] : spec.merges)
      merges_.push_back(std::string(left) + " " + std::string(right));
    if (format == Format::kGguf) {
      metadata_.insert("tokenizer.ggml.model", std::string_view("gpt2"));
      metadata_.insert("tokenizer.ggml.tokens", strings({spec.tokens.begin(), spec.tokens.end()}));
      metadata_.insert("tokenizer.ggml.merges", strings({merges_.begin(), merges_.end()}));
    } else {
      directory_.write("tokenizer.json", vocabulary_.tokenizer_json());
    }
    if (rows > 0)
      tensors_.push_back(
          {.name = "token_embd.weight", .ggml_type = 0, .dims = {rows, 8}, .nbytes = 0, .source_name = {}});
  }

  void set(const std::string& key, model_file::Value value) { metadata_.insert(key, std::move(value)); }

  [[nodiscard]] Format format() const override { return format_; }
  [[nodiscard]] const std::filesystem::path& path() const override { return path_; }
  [[nodiscard]] std::filesystem::path directory() const override {
    return format_ == Format::kGguf ? std::filesystem::path() : directory_.path();
  }
  [[nodiscard]] std::string_view architecture() const override { return "gpt2"; }
  [[nodiscard]] const model_file::Metadata& metadata() const override { return metadata_; }
  [[nodiscard]] std::span<const model_file::Tensor> tensors() const override { return tensors_; }
  [[nodiscard]] std::uint64_t bytes_on_disk() const override { return 0; }
  [[nodiscard]] Result<void> read_tensor(std::uint64_t, std::uint64_t, std::span<std::byte>) const override {
    return {};
  }
  [[nodiscard]] const llorch_source& source() const override { return source_; }

 private:
  static Array strings(std::vector<std::string_view> list) {
    const std::uint64_t count = list.size();
    return {.type = ElementType::kString,
            .count = count,
            .data = nullptr,
            .strings = std::make_shared<const std::vector<std::string_view>>(std::move(list))};
  }

  Format format_;
  std::filesystem::path path_;
  TemporaryDirectory directory_;
  ByteVocabulary vocabulary_;
  std::vector<std::string> merges_;
  model_file::Metadata metadata_{"model"};
  std::vector<model_file::Tensor> tensors_;
  llorch_source source_{};
};

std::string failure(const FakeModel& model) {
  const auto tokenizer = load_tokenizer(model);
  return tokenizer ? "none" : tokenizer.error().message;
}

BOOST_AUTO_TEST_SUITE(loading_a_models_tokenizer)

BOOST_AUTO_TEST_CASE(both_formats_give_the_same_ids) {
  for (const Format format : {Format::kGguf, Format::kHuggingFace}) {
    const auto tokenizer = load_tokenizer(FakeModel(format, kVocabulary));
    BOOST_REQUIRE(tokenizer);
    BOOST_TEST(((*tokenizer)->encode("hey") == std::vector<TokenId>{256, 'y'}));
    BOOST_TEST((*tokenizer)->vocab_size() == kVocabulary);
  }
}

BOOST_AUTO_TEST_CASE(a_model_without_tensors_has_a_tokenizer_too) {
  for (const Format format : {Format::kGguf, Format::kHuggingFace})
    BOOST_TEST(failure(FakeModel(format, 0)) == "none");
}

BOOST_AUTO_TEST_CASE(every_token_needs_a_row_of_the_embedding) {
  BOOST_TEST(failure(FakeModel(Format::kGguf, kVocabulary - 1)) ==
             "model: tensor token_embd.weight: expected 257 rows, one for each token of the vocabulary, found 256");
  BOOST_TEST(failure(FakeModel(Format::kGguf, kVocabulary + 1)) ==
             "model: tensor token_embd.weight: expected 257 rows, one for each token of the vocabulary, found 258");
  BOOST_TEST(
      failure(FakeModel(Format::kHuggingFace, kVocabulary - 1)) ==
      "model: tensor token_embd.weight: expected at least 257 rows, one for each token of the vocabulary, found 256");
}

BOOST_AUTO_TEST_CASE(a_hugging_face_embedding_may_be_padded) {
  BOOST_TEST(failure(FakeModel(Format::kHuggingFace, kVocabulary + 47)) == "none");
}

BOOST_AUTO_TEST_CASE(config_json_names_the_ends_of_a_hugging_face_model) {
  FakeModel model(Format::kHuggingFace, kVocabulary);
  model.set("tokenizer.ggml.eos_token_id", std::uint64_t{256});
  const auto tokenizer = load_tokenizer(model);
  BOOST_REQUIRE(tokenizer);
  BOOST_TEST(((*tokenizer)->eos() == 256));
  FakeModel broken(Format::kHuggingFace, kVocabulary);
  broken.set("tokenizer.ggml.bos_token_id", std::uint64_t{1} << 32);
  BOOST_TEST(failure(broken) ==
             "model: tokenizer.ggml.bos_token_id: expected a token id below 1048576, found 4294967296");
}

BOOST_AUTO_TEST_CASE(every_end_that_config_json_lists_ends_an_answer) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.json", ByteVocabulary().merge("h", "e").tokenizer_json());
  const auto open = [&](const std::string& ends) {
    directory.write("config.json", R"({"model_type":"other","bos_token_id":[1],"eos_token_id":)" + ends + "}");
    return model_file::ModelFile::open(directory.path(), {.vocabulary_only = true});
  };
  const auto ends_of = [&](const std::string& ends) {
    std::vector<TokenId> found;
    const auto file = open(ends);
    BOOST_REQUIRE_MESSAGE(file, (file ? "" : file.error().message));
    const auto tokenizer = load_tokenizer(**file);
    BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
    for (TokenId id = 0; id < static_cast<TokenId>(kVocabulary); ++id) {
      if ((*tokenizer)->ends_generation(id)) found.push_back(id);
    }
    if (!found.empty()) BOOST_TEST(((*tokenizer)->eos() == 256));
    return found;
  };
  BOOST_TEST((ends_of("256") == std::vector<TokenId>{256}));
  BOOST_TEST((ends_of("[256]") == std::vector<TokenId>{256}));
  BOOST_TEST((ends_of("[256,0,65]") == std::vector<TokenId>{0, 65, 256}));
  BOOST_TEST(ends_of("[]").empty());
  BOOST_TEST(ends_of("null").empty());

  const auto failure_of = [&](const std::string& ends) {
    const auto file = open(ends);
    if (!file) return file.error().message;
    const auto tokenizer = load_tokenizer(**file);
    return tokenizer ? "none" : tokenizer.error().message;
  };
  const std::string config = (directory.path() / "config.json").string() + ": key ";
  const std::string expected = ": expected an integer of 0 or more, found ";
  BOOST_TEST(failure_of(R"([256,"</s>"])") == config + "'eos_token_id[1]'" + expected + R"("</s>")");
  BOOST_TEST(failure_of("[256,0,-1]") == config + "'eos_token_id[2]'" + expected + "-1");
  BOOST_TEST(failure_of("[256,1.5]") == config + "'eos_token_id[1]'" + expected + "1.5");
  BOOST_TEST(failure_of("[256,null]") == config + "'eos_token_id[1]'" + expected + "null");
  BOOST_TEST(failure_of("[256,[0]]") == config + "'eos_token_id[1]'" + expected + "an array");
  BOOST_TEST(failure_of(R"("256")") == config + "'eos_token_id'" + expected + R"("256")");
  BOOST_TEST(failure_of("[256,4294967296]") ==
             directory.path().string() +
                 ": tokenizer.ggml.eos_token_ids: expected a token id below 1048576, found 4294967296");
  BOOST_TEST(failure_of("[256,257]") == (directory.path() / "tokenizer.json").string() +
                                            ": end-of-generation token: expected a token id below 257, found 257");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
