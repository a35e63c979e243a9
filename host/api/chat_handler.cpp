// POST /v1/chat/completions.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "api/admission.hpp"
#include "api/chat_request.hpp"
#include "api/completion_answer.hpp"
#include "api/handlers.hpp"
#include "api/openai_error.hpp"
#include "api/prompt_tokens.hpp"

namespace llorch::api {
namespace {

constexpr std::string_view kNoTemplate = "chat_template";  // constraint; without a field the fault is the model's

struct Prepared {
  Parsed<ChatRequest> parsed;
  std::vector<std::int32_t> prompt;
};

// What the client can change is the client's: messages that the template refuses, or that take it to a limit.
Fault fault_of(const Error& error) {
  const auto constraint = std::string(kNoTemplate);
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return {"messages", constraint, "the chat template refuses these messages: " + error.message, nullptr};
    case ErrorCode::kUnsupported:
      return {"messages", constraint, "these messages are too much for the chat template: " + error.message, nullptr};
    default:
      return {"", constraint, "the chat template of this model has a fault: " + error.message, nullptr};
  }
}

// [any-thread]
Prepared prepare(const std::string& body, const Backend& backend) {
  const tokenizer::Tokenizer& tokenizer = *backend.tokenizer;
  Prepared prepared{parse_chat_request(body, {tokenizer.vocab_size(), backend.capacity}), {}};
  std::vector<Fault>& faults = prepared.parsed.faults;
  ChatRequest& request = prepared.parsed.request;
  if (!faults.empty()) return prepared;
  if (backend.chat == nullptr) {
    faults.push_back({"", std::string(kNoTemplate), "this model cannot chat: " + backend.chat_problem, nullptr});
    return prepared;
  }
  const Result<chat::Text> text =
      backend.chat->render(request.messages, request.add_generation_prompt, std::chrono::system_clock::now());
  if (text.has_error()) {
    faults.push_back(fault_of(text.error()));
    return prepared;
  }
  prepared.prompt = chat::encode_chat(tokenizer, *text);
  const std::uint32_t context = backend.engine->context_length();
  check_prompt_length("messages", prepared.prompt.size(), context, faults);
  if (!request.has_max_tokens) request.max_tokens = context;  // the engine stops where the context ends
  const std::vector<std::string>& stops = backend.chat->facts().stops;
  request.stop.insert(request.stop.end(), stops.begin(), stops.end());
  return prepared;
}

http::Response refused(const std::vector<Fault>& faults) {
  const bool is_models = faults.front().field.empty() && faults.front().constraint == kNoTemplate;
  if (is_models) return openai_error(500, faults.front().message, {}, kNoTemplate);
  return openai_refusals().faults(faults);
}

}  // namespace

Answer chat_completions(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  const Refusals refusals{openai_refusals().not_serving, refused};
  // Away from the I/O thread whatever the size: a template may take long over few messages.
  std::optional<Admitted<Prepared>> admitted =
      co_await admit(worker, request, exchange, prepare, refusals, Where::kPool);
  if (!admitted) co_return;
  Prepared& prepared = admitted->prepared;
  std::vector<std::vector<std::int32_t>> prompts;
  prompts.push_back(std::move(prepared.prompt));
  Completion completion(worker, *admitted->backend, AnswerKind::kChat, std::move(prepared.parsed.request),
                        std::move(prompts), false);
  co_await answer(worker, admitted->backend, completion, exchange);
}

}  // namespace llorch::api
