// POST /v1/completions.
#include <spdlog/fmt/fmt.h>

#include "api/admission.hpp"
#include "api/completion_answer.hpp"
#include "api/completion_request.hpp"
#include "api/handlers.hpp"
#include "api/openai_error.hpp"
#include "api/prompt_tokens.hpp"

namespace llorch::api {
namespace {

struct Prepared {
  Parsed<CompletionRequest> parsed;
  std::vector<std::vector<std::int32_t>> prompts;
};

// [any-thread]
Prepared prepare(const std::string& body, const Backend& backend) {
  const tokenizer::Tokenizer& tokenizer = *backend.tokenizer;
  Prepared prepared{parse_completion_request(body, {tokenizer.vocab_size(), backend.capacity}), {}};
  std::vector<Fault>& faults = prepared.parsed.faults;
  if (!faults.empty()) return prepared;
  std::vector<Prompt>& prompts = prepared.parsed.request.prompts;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto* ids = std::get_if<std::vector<std::int32_t>>(&prompts[i]);
    std::vector<std::int32_t> tokens =
        ids != nullptr ? std::move(*ids) : encode_prompt(tokenizer, std::get<std::string>(prompts[i]));
    if (tokens.empty() && tokenizer.bos()) tokens.push_back(*tokenizer.bos());
    const std::string field = prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", i);
    check_prompt_length(field, tokens.size(), backend.engine->context_length(), faults);
    prepared.prompts.push_back(std::move(tokens));
  }
  return prepared;
}

}  // namespace

Answer completions(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  const Refusals refusals = openai_refusals();
  std::optional<Admitted<Prepared>> admitted = co_await admit(worker, request, exchange, prepare, refusals);
  if (!admitted) co_return;
  Prepared& prepared = admitted->prepared;
  const bool echo = prepared.parsed.request.echo;
  Completion completion(worker, *admitted->backend, AnswerKind::kCompletion, std::move(prepared.parsed.request),
                        std::move(prepared.prompts), echo);
  co_await answer(worker, admitted->backend, completion, exchange);
}

}  // namespace llorch::api
