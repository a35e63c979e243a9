// Chats through the template inside a GGUF file, and through one given by --chat-template.
#include <cstring>
#include <fstream>
#include <iterator>

#include "e2e/e2e.hpp"
#include "support/gguf_writer.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

constexpr const char* kInside =
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('system comes first') }}{% endif %}"
    "[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}{% if add_generation_prompt %}[teller]{% endif %}";
constexpr const char* kGiven = "{% for m in messages %}{{ m.content }} {% endfor %}Once upon a time";

/// models/tiny-llama2.gguf with one more key. Its tensors stay aligned because the key takes a multiple of 32 bytes,
/// filled up by a comment.
std::string llama_with_template(std::string source) {
  std::ifstream in(LLORCH_SOURCE_DIR "/models/tiny-llama2.gguf", std::ios::binary);
  std::string file{std::istreambuf_iterator<char>(in), {}};
  constexpr std::size_t kKeyCount = 16;
  constexpr std::size_t kFirstKey = 24;
  BOOST_TEST_REQUIRE(file.size() > kFirstKey);
  const auto key = [&] { return gguf_string("tokenizer.chat_template") + gguf_text(source); };
  source += "{##}";
  while (key().size() % 32 != 0)
    source.insert(source.size() - 2, " ");
  std::uint64_t count = 0;
  std::memcpy(&count, file.data() + kKeyCount, sizeof count);
  file.replace(kKeyCount, sizeof count, le<std::uint64_t>(count + 1));
  file.insert(kFirstKey, key());
  return file;
}

struct LlamaFile {
  TemporaryDirectory directory;
  std::string path = directory.write("chatty.gguf", llama_with_template(kInside));
  std::string rest = R"(,"max_tokens":24,"temperature":0)";

  /// The answers to the messages and to the prompt that they should become are the same, token for token.
  void check_same(const WorkerProcess& worker, const std::string& messages, const std::string& prompt) const {
    const RawResponse chat = worker.post("/v1/chat/completions", R"({"messages":)" + messages + rest + "}");
    BOOST_TEST_REQUIRE(chat.status == 200U, chat.body);
    const RawResponse completion =
        worker.post("/v1/completions", R"({"prompt":)" + json::serialize(json::string(prompt)) + rest + "}");
    BOOST_TEST_REQUIRE(completion.status == 200U, completion.body);
    const json::value answer = json_of(chat.body);
    const json::value expected = json_of(completion.body);
    BOOST_TEST(answer.at("choices").at(0).at("message").at("content").as_string() ==
               expected.at("choices").at(0).at("text").as_string());
    for (const char* key : {"prompt_tokens", "completion_tokens"})
      BOOST_TEST(answer.at("usage").at(key) == expected.at("usage").at(key), key);
  }
};

constexpr const char* kConversation =
    R"([{"role":"system","content":"Be brief."},{"role":"user","content":"  Tell me of a dog. "},)"
    R"({"role":"assistant","content":"No."},{"role":"user","content":"Please!"}])";

BOOST_FIXTURE_TEST_SUITE(chat_template_end_to_end, LlamaFile)

BOOST_AUTO_TEST_CASE(the_template_inside_a_gguf_makes_the_prompt_streamed_or_not) {
  const WorkerProcess worker(path, "llama2_cpu", {});
  check_same(worker, kConversation,
             "[system] Be brief.\n[user] Tell me of a dog.\n[assistant] No.\n[user] Please!\n[teller]");
  const std::string body = R"({"messages":)" + std::string(kConversation) + rest;
  const json::value whole = json_of(worker.post("/v1/chat/completions", body + "}").body);
  std::string text;
  for (const Event& event : events_of(worker.post("/v1/chat/completions", body + R"(,"stream":true})").body)) {
    if (event.data == "[DONE]") continue;
    const json::value data = json_of(event.data);
    if (const auto* content = data.at("choices").at(0).at("delta").as_object().if_contains("content"))
      text += content->as_string();
  }
  BOOST_TEST(text == std::string_view(whole.at("choices").at(0).at("message").at("content").as_string()));
}

BOOST_AUTO_TEST_CASE(an_order_of_roles_that_the_template_refuses_is_a_400_with_its_words) {
  const WorkerProcess worker(path, "llama2_cpu", {});
  const RawResponse response = worker.post(
      "/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]})");
  BOOST_TEST(response.status == 400U);
  BOOST_TEST(response.body.find("system comes first") != std::string::npos, response.body);
}

BOOST_AUTO_TEST_CASE(a_template_given_by_flag_comes_before_the_one_inside) {
  const std::string given = directory.write("given.jinja", kGiven);
  const WorkerProcess worker(path, "llama2_cpu", {"--chat-template", given});
  check_same(worker, R"([{"role":"user","content":"A story."}])", "A story. Once upon a time");
}

// The start tries the template and logs what it says.
BOOST_AUTO_TEST_CASE(words_of_a_template_cannot_forge_a_record_of_the_log) {
  const std::string given =
      directory.write("given.jinja", "{{ raise_exception('no\n2026-01-01T00:00:00.000+0000 error forged \x1b[31m') }}");
  WorkerProcess worker(path, "llama2_cpu", {"--chat-template", given});
  BOOST_TEST_REQUIRE(worker.process.wait_for_errors("forged"), worker.process.errors);
  BOOST_TEST(worker.process.errors.find("a single message of a user: no\\x0a2026-01-01") != std::string::npos,
             worker.process.errors);
  BOOST_TEST(worker.process.errors.find("\n2026-01-01") == std::string::npos, worker.process.errors);
  BOOST_TEST(worker.process.errors.find('\x1b') == std::string::npos, worker.process.errors);
}

BOOST_AUTO_TEST_CASE(a_template_that_cannot_be_read_ends_the_start) {
  const std::string broken = directory.write("broken.jinja", "{% for m in messages %}");
  ChildProcess process({host_binary(), "serve", "--model", path, "--port", "0", "--chat-template", broken});
  BOOST_TEST(process.wait().value_or(-1) != 0);
  BOOST_TEST(process.errors.find("broken.jinja") != std::string::npos, process.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
