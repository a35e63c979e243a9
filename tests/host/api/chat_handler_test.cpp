// POST /v1/chat/completions on an engine that the test moves by hand.
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include "base/json.hpp"
#include "support/chat_tokenizer.hpp"
#include "support/fake_engine.hpp"

namespace {

namespace api = llorch::api;
namespace json = boost::json;
using llorch::engine::StopReason;
using llorch::sampling::Logprobs;

constexpr std::string_view kTemplate =
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('system comes first') }}"
    "{% endif %}<|im_start|>{{ m.role }}:{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}";

std::vector<json::value> chunks(const std::string& stream) {
  std::vector<json::value> list;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t end = stream.find("\n\n", at);
    BOOST_TEST_REQUIRE(end != std::string::npos);
    const std::string event = stream.substr(at, end - at);
    BOOST_TEST_REQUIRE(event.starts_with("data: "));
    const std::string data = event.substr(6);
    list.push_back(data == "[DONE]" ? json::value("DONE") : llorch::parse_json(data).value());
    at = end + 2;
  }
  return list;
}

struct ChatFixture : llorch::testing::WorkerFixture {
  ChatFixture() { set_template(std::string(kTemplate)); }

  void set_template(const std::string& source, std::vector<std::string> stops = {}) {
    api::Backend backend;
    backend.engine = engine;
    backend.tokenizer = chat_tokenizer;
    backend.plugin = "fake";
    backend.capacity = 4;
    backend.queue_limit = 3;
    if (source.empty()) {
      backend.chat_problem = "its template is broken";
    } else {
      auto created = llorch::chat::ChatTemplate::create(source, {"test", "<s>", "</s>", std::move(stops)});
      BOOST_TEST_REQUIRE(created.has_value());
      backend.chat = std::make_shared<const llorch::chat::ChatTemplate>(std::move(*created));
    }
    worker.set_ready(std::move(backend));
  }

  /// Chats are prepared on another thread: waits until the engine has them or a refusal is there.
  void chat(const std::string& body) {
    const std::size_t before = engine->order.size();
    begin(api::chat_completions, body);
    while (engine->order.size() == before && !finished) {
      io.restart();
      io.run_one_for(std::chrono::seconds(20));
    }
  }
  [[nodiscard]] json::value answer() const { return llorch::parse_json(exchange->response.body).value(); }
  [[nodiscard]] std::string prompt() const {
    std::string text;
    for (const std::int32_t id : engine->live.at(engine->order.back()).request.prompt)
      text += id >= 256 ? "[" + std::to_string(id) + "]" : std::string(chat_tokenizer->token_bytes(id));
    return text;
  }
  std::string refusal(const std::string& body, unsigned status = 400) {
    chat(body);
    BOOST_TEST(run_to_end());
    BOOST_TEST(exchange->response.status == status, body << ": " << exchange->response.body);
    const json::value error = answer().at("error");
    return (error.at("param").is_null() ? "" : std::string(error.at("param").as_string())) + ": " +
           std::string(error.at("message").as_string());
  }

  std::shared_ptr<llorch::testing::ChatTokenizer> chat_tokenizer = std::make_shared<llorch::testing::ChatTokenizer>(
      std::vector<std::string>{"<s>", "</s>", "<|im_start|>", "<|im_end|>"});
};

BOOST_FIXTURE_TEST_SUITE(chat_completions_route, ChatFixture)

BOOST_AUTO_TEST_CASE(a_whole_answer_is_a_message_with_usage_and_timings) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"max_completion_tokens":2,"seed":1})");
  BOOST_TEST(prompt() == "[258]user:hi[259][258]");
  const std::string id = engine->id();
  BOOST_TEST(id.starts_with("chatcmpl-"));
  BOOST_TEST(engine->live.at(id).request.max_tokens == 2U);
  engine->start(id);
  engine->token(id, "a");
  engine->token(id, "");
  engine->finish(id, StopReason::kEos, "b");
  BOOST_TEST(run_to_end());
  BOOST_TEST(exchange->response.status == 200U);
  const json::value body = answer();
  BOOST_TEST(body.at("object").as_string() == "chat.completion");
  const json::value& choice = body.at("choices").at(0);
  BOOST_TEST(choice.at("message").at("role").as_string() == "assistant");
  BOOST_TEST(choice.at("message").at("content").as_string() == "ab");
  BOOST_TEST(choice.at("finish_reason").as_string() == "stop");
  BOOST_TEST(choice.at("logprobs").is_null());
  BOOST_TEST(!choice.as_object().contains("text"));
  BOOST_TEST(body.at("usage").at("prompt_tokens").as_int64() == 10);
  BOOST_TEST(body.at("usage").at("completion_tokens").as_int64() == 2);
  BOOST_TEST(body.as_object().contains("timings"));
}

BOOST_AUTO_TEST_CASE(a_stream_begins_with_the_role_and_ends_with_an_empty_delta) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}})");
  const std::string id = engine->id();
  engine->start(id);
  run();
  BOOST_TEST(!exchange->streaming);
  engine->token(id, "a");
  engine->finish(id, StopReason::kMaxTokens, "b");
  BOOST_TEST(run_to_end());
  const auto list = chunks(exchange->stream);
  BOOST_TEST_REQUIRE(list.size() == 6U);
  for (std::size_t i = 0; i < 4; ++i) {
    BOOST_TEST(list[i].at("object").as_string() == "chat.completion.chunk");
    BOOST_TEST(list[i].at("usage").is_null());
    BOOST_TEST(list[i].at("choices").at(0).at("finish_reason").is_null() == (i < 3));
  }
  const auto delta = [&](std::size_t i) { return list[i].at("choices").at(0).at("delta"); };
  BOOST_TEST(json::serialize(delta(0)) == R"({"role":"assistant","content":""})");
  BOOST_TEST(json::serialize(delta(1)) == R"({"content":"a"})");
  BOOST_TEST(json::serialize(delta(2)) == R"({"content":"b"})");
  BOOST_TEST(json::serialize(delta(3)) == "{}");
  BOOST_TEST(list[3].at("choices").at(0).at("finish_reason").as_string() == "length");
  BOOST_TEST(list[4].at("choices").as_array().empty());
  BOOST_TEST(list[4].at("usage").at("completion_tokens").as_int64() == 1);
  BOOST_TEST(list[5].as_string() == "DONE");
}

BOOST_AUTO_TEST_CASE(an_answer_without_text_still_has_role_and_end) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"stream":true})");
  engine->finish(engine->id(), StopReason::kEos);
  BOOST_TEST(run_to_end());
  const auto list = chunks(exchange->stream);
  BOOST_TEST_REQUIRE(list.size() == 3U);
  BOOST_TEST(list[0].at("choices").at(0).at("delta").at("role").as_string() == "assistant");
  BOOST_TEST(list[1].at("choices").at(0).at("delta").as_object().empty());
}

BOOST_AUTO_TEST_CASE(a_failure_before_the_first_token_is_plain_json_with_its_status) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"stream":true})");
  engine->start(engine->id());
  engine->finish(engine->id(), StopReason::kError, "", llorch::make_error(llorch::ErrorCode::kInternal, "NaN"));
  BOOST_TEST(run_to_end());
  BOOST_TEST(!exchange->streaming);
  BOOST_TEST(exchange->response.status == 500U);
}

BOOST_AUTO_TEST_CASE(logprobs_have_the_shape_of_chats) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"logprobs":true,"top_logprobs":2})");
  const std::string id = engine->id();
  BOOST_TEST(engine->live.at(id).request.logprobs.value() == 2U);
  engine->token(id, "a", 'a', Logprobs{{'a', -0.5F}, {{'a', -0.5F}, {0xC3, -1.5F}}});
  engine->finish(id);
  BOOST_TEST(run_to_end());
  const json::value logprobs = answer().at("choices").at(0).at("logprobs");
  BOOST_TEST(json::serialize(logprobs) ==
             R"({"content":[{"token":"a","logprob":-5E-1,"bytes":[97],"top_logprobs":[)"
             R"({"token":"a","logprob":-5E-1,"bytes":[97]},{"token":"bytes:\\xc3","logprob":-1.5E0,"bytes":[195]}]}],)"
             R"("refusal":null})");
}

BOOST_AUTO_TEST_CASE(choices_share_the_prompt_and_have_seeds_of_their_own) {
  chat(R"({"messages":[{"role":"user","content":"hi"}],"n":2,"seed":7,"stream":true})");
  BOOST_TEST_REQUIRE(engine->order.size() == 2U);
  BOOST_TEST(engine->live.at(engine->id(0)).request.sampling.seed == 7U);
  BOOST_TEST(engine->live.at(engine->id(1)).request.sampling.seed == 8U);
  for (const std::size_t i : {1U, 0U}) {
    engine->token(engine->id(i), std::to_string(i));
    engine->finish(engine->id(i));
  }
  BOOST_TEST(run_to_end());
  std::string roles;
  for (const json::value& chunk : chunks(exchange->stream)) {
    if (!chunk.is_object()) continue;
    const json::value& choice = chunk.at("choices").at(0);
    if (choice.at("delta").as_object().contains("role")) roles += std::to_string(choice.at("index").as_int64());
  }
  BOOST_TEST(roles == "10");
}

BOOST_AUTO_TEST_CASE(without_max_tokens_the_context_is_the_limit) {
  chat(R"({"messages":[{"role":"user","content":"hi"}]})");
  BOOST_TEST(engine->live.at(engine->id()).request.max_tokens == engine->context);
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(contents_are_text_or_text_parts_and_special_tokens_in_them_are_text) {
  chat(R"({"messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
       R"({"role":"user","content":"<|im_end|>","name":"n"}],"add_generation_prompt":false})");
  BOOST_TEST(prompt() == "[258]system:a\nb[259][258]user:<|im_end|>[259]");
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(the_templates_stops_are_added_to_the_clients) {
  set_template(std::string(kTemplate), {"\nUser:"});
  chat(R"({"messages":[{"role":"user","content":"hi"}],"stop":"x"})");
  const auto& stops = engine->live.at(engine->id()).request.stop;
  BOOST_TEST(stops == (std::vector<std::string>{"x", "\nUser:"}), boost::test_tools::per_element());
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(a_role_order_that_the_template_refuses_is_a_400_that_says_so) {
  BOOST_TEST(refusal(R"({"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]})") ==
             "messages: the chat template refuses these messages: system comes first");
}

BOOST_AUTO_TEST_CASE(a_fault_of_the_template_is_the_servers) {
  const std::string body = R"({"messages":[{"role":"user","content":"a"}]})";
  const std::string itself = ": the chat template of this model has a fault: chat template, line 1: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ messages[0].content }}{{ 1 // 0 }}", "zero"},
      {"{{ messages[0].content }}{{ nothing.here }}", "'nothing' is undefined"},
      {"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}{{ messages[0].content }}",
       "steps"},
  };
  for (const auto& [source, words] : cases) {
    set_template(source);
    const std::string found = refusal(body, 500);
    BOOST_TEST(found.starts_with(itself), found);
    BOOST_TEST(found.find(words) != std::string::npos, found);
    BOOST_TEST(answer().at("error").at("code").as_string() == "chat_template");
    BOOST_TEST(answer().at("error").at("type").as_string() == "server_error");
  }
}

BOOST_AUTO_TEST_CASE(messages_that_take_a_template_to_its_limits_are_the_clients) {
  set_template(
      "{{ messages[0].content }}{% for a in range(messages[0].content | length) %}"
      "{% for b in range(99999) %}{% endfor %}{% endfor %}");
  const std::string found = refusal(R"({"messages":[{"role":"user","content":")" + std::string(200, 'a') + R"("}]})");
  BOOST_TEST(found.starts_with("messages: these messages are too much for the chat template: "), found);
}

BOOST_AUTO_TEST_CASE(every_fault_is_named_with_its_place) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({})", "messages: messages is required"},
      {R"({"messages":[]})", "messages: messages must not be an empty array"},
      {R"({"messages":"hi"})", "messages: messages must be an array of messages, found string"},
      {R"({"messages":[1]})", "messages[0]: messages[0] must be an object, found "},
      {R"({"messages":[{"content":"a"}]})", "messages[0].role: messages[0].role is required"},
      {R"({"messages":[{"role":"king","content":"a"}]})",
       "messages[0].role must be system, developer, user or assistant"},
      {R"({"messages":[{"role":"tool","content":"a"}]})", "tools are not supported"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content: messages[0].content is required"},
      {R"({"messages":[{"role":"user","content":null}]})", "messages[0].content is required"},
      {R"({"messages":[{"role":"user","content":{}}]})", "must be a string or an array of parts, found object"},
      {R"({"messages":[{"role":"user","content":[]}]})", "messages[0].content must not be an empty array"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})",
       "messages[0].content[0].type: messages[0].content[0].type: only parts of type text"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})", "messages[0].content[0] must be {"},
      {R"({"messages":[{"role":"assistant","content":"a","tool_calls":[{}]}]})", "messages[0].tool_calls: "},
      {R"({"messages":[{"role":"user","content":"a"}],"tools":[{}]})", "tools: tools is not supported"},
      {R"({"messages":[{"role":"user","content":"a"}],"max_tokens":0})", "max_tokens must be an integer from 1 to"},
      {R"({"messages":[{"role":"user","content":"a"}],"max_tokens":-1})", "max_tokens must be an integer from 1 to"},
      {R"({"messages":[{"role":"user","content":"a"}],"max_completion_tokens":0})",
       "max_completion_tokens must be an integer from 1 to"},
      {R"({"messages":[{"role":"user","content":"a"}],"n":9})", "n must not exceed 4"},
      {R"({"messages":[{"role":"user","content":"a"}],"logprobs":3})", "logprobs"},
      {R"({"messages":[{"role":"user","content":"a"}],"top_logprobs":3})", "top_logprobs needs logprobs"},
      {R"({"messages":[{"role":"user","content":"a"}],"prompt":"secret words"})",
       "prompt: prompt belongs to /v1/completions; this route has messages"},
      {R"({"messages":[{"role":"user","content":"a"}],"prompt":[1,2]})", "prompt: prompt belongs to /v1/completions"},
      {R"({"messages":[{"role":"user","content":"a"}],"echo":true})", "echo: echo belongs to /v1/completions"},
      {R"({"messages":[{"role":"user","content":"a"}],"add_special_tokens":true})",
       "add_special_tokens: add_special_tokens must be false on this route"},
      {R"({"messages":[{"role":"user","content":"a"}],"suffix":"b"})", "suffix: suffix is not supported"},
      {R"({"messages":[{"role":"user","content":"a"}],"best_of":3})", "best_of: best_of is not supported"},
      {R"({"messages":[{"role":"king","content":"secret words"},{"role":"user","content":7}]})", "messages[1].content"},
  };
  for (const auto& [body, expected] : cases) {
    const std::string found = refusal(body);
    BOOST_TEST(found.find(expected) != std::string::npos, body << ": expected " << expected << ", found " << found);
    BOOST_TEST(found.find("secret") == std::string::npos);
  }
  BOOST_TEST(engine->order.empty());
}

BOOST_AUTO_TEST_CASE(fields_without_effect_are_accepted_when_they_ask_for_nothing) {
  chat(R"({"model":"gpt-4o","messages":[{"role":"user","content":"a","refusal":null,"tool_calls":[]}],"user":"u",)"
       R"("prompt":null,"echo":false,"suffix":null,"best_of":1,)"
       R"("response_format":{"type":"text"},"tools":[],"tool_choice":"auto","parallel_tool_calls":true})");
  BOOST_TEST(engine->order.size() == 1U);
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(a_prompt_beyond_the_context_names_both_numbers) {
  engine->context = 20;
  const std::string found = refusal(R"({"messages":[{"role":"user","content":"abcdefghijklmnopqrstuvwxyz"}]})");
  BOOST_TEST(found == "messages: messages has 34 tokens, the context holds 20");
  BOOST_TEST(answer().at("error").at("code").as_string() == "context_length_exceeded");
}

BOOST_AUTO_TEST_CASE(a_model_that_cannot_chat_says_why) {
  set_template("");
  BOOST_TEST(refusal(R"({"messages":[{"role":"user","content":"a"}]})", 500) ==
             ": this model cannot chat: its template is broken");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
