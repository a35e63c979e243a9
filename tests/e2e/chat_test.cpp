// Chats over a socket, with a model that has no template of its own: the built-in transcript.
#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

constexpr const char* kMessages =
    R"("messages":[{"role":"system","content":"A story."},{"role":"user","content":"Hi"}])";

BOOST_AUTO_TEST_SUITE(chat_end_to_end)

BOOST_AUTO_TEST_CASE(a_chat_is_the_completion_of_its_transcript) {
  const std::string rest = R"(,"max_tokens":20,"temperature":0)";
  const RawResponse chat = shared_worker().post("/v1/chat/completions", "{" + std::string(kMessages) + rest + "}");
  BOOST_TEST_REQUIRE(chat.status == 200U, chat.body);
  const RawResponse completion = shared_worker().post(
      "/v1/completions", R"({"prompt":"A story.\nUser: Hi\nAssistant:","stop":"\nUser:")" + rest + "}");
  BOOST_TEST_REQUIRE(completion.status == 200U, completion.body);
  const json::value answer = json_of(chat.body);
  const json::value expected = json_of(completion.body);
  BOOST_TEST(answer.at("choices").at(0).at("message").at("content").as_string() ==
             expected.at("choices").at(0).at("text").as_string());
  BOOST_TEST(answer.at("usage").at("prompt_tokens").as_int64() == expected.at("usage").at("prompt_tokens").as_int64());
}

BOOST_AUTO_TEST_CASE(a_streamed_chat_is_the_whole_one_in_pieces) {
  const std::string members = std::string(kMessages) + R"(,"max_tokens":20,"seed":3)";
  const RawResponse whole = shared_worker().post("/v1/chat/completions", "{" + members + "}");
  const RawResponse stream = shared_worker().post("/v1/chat/completions", "{" + members + R"(,"stream":true})");
  const auto events = events_of(stream.body);
  BOOST_TEST_REQUIRE(events.size() > 3U);
  BOOST_TEST(events.back().data == "[DONE]");
  std::string text;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    const json::value delta = json_of(events[i].data).at("choices").at(0).at("delta");
    BOOST_TEST(delta.as_object().contains("role") == (i == 0));
    if (const auto* content = delta.as_object().if_contains("content")) text += content->as_string();
  }
  BOOST_TEST(text == std::string_view(json_of(whole.body).at("choices").at(0).at("message").at("content").as_string()));
}

BOOST_AUTO_TEST_CASE(a_special_token_in_a_message_is_plain_text) {
  const auto tokens_of = [](const std::string& content) {
    const RawResponse response =
        shared_worker().post("/v1/chat/completions", R"({"messages":[{"role":"user","content":")" + content +
                                                         R"("}],"max_tokens":1,"temperature":0})");
    BOOST_TEST_REQUIRE(response.status == 200U, response.body);
    return json_of(response.body).at("usage").at("prompt_tokens").as_int64();
  };
  const auto spelled = json_of(shared_worker().post("/tokenize", R"({"content":" <|endoftext|>"})").body);
  BOOST_TEST(spelled.at("count").as_int64() > 2);
  BOOST_TEST(tokens_of("a <|endoftext|>") == tokens_of("a") + spelled.at("count").as_int64());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
