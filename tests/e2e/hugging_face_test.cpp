// A Llama as a Hugging Face directory, with the tokenizer and the chat template that lie beside its weights, served and
// chatted with.
#include <filesystem>

#include "e2e/e2e.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_llama.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kVocabulary = 500;  // of the tokenizer
constexpr const char* kTokenizerConfig =
    R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>","add_bos_token":true,)"
    R"("model_max_length":1000000000000000019884624838656,)"
    R"("chat_template":"{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %})"
    R"({% if add_generation_prompt %}[assistant]{% endif %}"})";

/// config.json, model.safetensors, tokenizer.json and tokenizer_config.json, as a download has them.
struct LlamaDirectory {
  TemporaryDirectory directory;
  std::string rest = R"(,"max_tokens":16,"temperature":0)";

  LlamaDirectory() {
    auto config = tiny_llama_config();
    config["vocab_size"] = std::to_string(kVocabulary);
    config["max_position_embeddings"] = "128";
    SafetensorsWriter weights = tiny_llama_safetensors();
    std::uint64_t number = 0;
    for (SafetensorsTensor& tensor : weights.tensors) {
      ++number;
      if (tensor.name != "model.embed_tokens.weight" && tensor.name != "lm_head.weight") continue;
      tensor.shape[0] = kVocabulary;
      tensor.data = tiny_data(number, kVocabulary, tensor.shape[1], false);
    }
    write_tiny_llama(directory, config, weights);
    directory.write("tokenizer_config.json", kTokenizerConfig);
    fs::copy_file(LLORCH_SOURCE_DIR "/tests/fixtures/tokenizers/spm_prepend/tokenizer.json",
                  directory.path() / "tokenizer.json");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hugging_face_end_to_end, LlamaDirectory)

BOOST_AUTO_TEST_CASE(a_chat_is_the_completion_of_what_the_template_makes_of_it) {
  const WorkerProcess worker(directory.path().string(), "llama2_cpu", {});
  const RawResponse chat =
      worker.post("/v1/chat/completions",
                  R"({"messages":[{"role":"user","content":" the dog ran "},{"role":"assistant","content":"home"},)"
                  R"({"role":"user","content":"and the cat?"}])" +
                      rest + "}");
  BOOST_TEST_REQUIRE(chat.status == 200U, chat.body);
  // The tokenizer adds the <s> that the template spells out in a chat.
  const RawResponse completion =
      worker.post("/v1/completions",
                  R"({"prompt":"[user] the dog ran\n[assistant] home\n[user] and the cat?\n[assistant]")" + rest + "}");
  BOOST_TEST_REQUIRE(completion.status == 200U, completion.body);
  const json::value answer = json_of(chat.body);
  const json::value expected = json_of(completion.body);
  BOOST_TEST(answer.at("choices").at(0).at("message").at("content").as_string() ==
             expected.at("choices").at(0).at("text").as_string());
  BOOST_TEST(!expected.at("choices").at(0).at("text").as_string().empty());
  for (const char* key : {"prompt_tokens", "completion_tokens"})
    BOOST_TEST(answer.at("usage").at(key) == expected.at("usage").at(key), key);
}

BOOST_AUTO_TEST_CASE(its_tokenizer_is_the_one_of_the_directory) {
  const WorkerProcess worker(directory.path().string(), "llama2_cpu", {});
  const RawResponse tokens = worker.post("/tokenize", R"({"content":"the dog","add_special":true})");
  BOOST_TEST_REQUIRE(tokens.status == 200U, tokens.body);
  const json::value ids = json_of(tokens.body).at("tokens");
  BOOST_TEST(ids.at(0).to_number<int>() == 1);
  const RawResponse text =
      worker.post("/detokenize", R"({"tokens":)" + json::serialize(ids) + R"(,"skip_special_tokens":true})");
  BOOST_TEST_REQUIRE(text.status == 200U, text.body);
  BOOST_TEST(text.body.find("the dog") != std::string::npos, text.body);
}

BOOST_AUTO_TEST_SUITE_END()
