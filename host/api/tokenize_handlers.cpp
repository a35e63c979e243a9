// POST /tokenize and POST /detokenize.
#include <spdlog/fmt/fmt.h>

#include "api/fields.hpp"
#include "api/handlers.hpp"
#include "api/json_writer.hpp"
#include "api/openai_error.hpp"
#include "base/json.hpp"

namespace llorch::api {
namespace {

// Reads the body as an object with `read`; the answer's text or the faults.
template <class Read>
http::Response answer(const std::string& body, const Read& read) {
  std::vector<Fault> faults;
  const Result<boost::json::value> document = parse_json(body);
  if (document.has_error()) return openai_error(400, "the body must be JSON: " + document.error().message);
  if (!document->is_object()) return openai_error(400, "the body must be a JSON object");
  Fields fields(document->get_object(), NullMeans::kAbsent, faults);
  std::string out = read(fields);
  if (!faults.empty()) return openai_error(faults);
  http::Response response;
  response.body = std::move(out);
  return response;
}

std::string tokenize_body(Fields& fields, const tokenizer::Tokenizer& tokenizer) {
  const std::optional<std::string> prompt = fields.string("prompt");
  if (!prompt) fields.require("content");
  const std::optional<std::string> content = fields.string("content");
  tokenizer::EncodeOptions options;
  options.add_special = fields.boolean("add_special").value_or(false);
  options.parse_special = fields.boolean("parse_special").value_or(false);
  const auto ids = tokenizer.encode(content ? *content : prompt.value_or(""), options);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("tokens").begin_array();
  for (const std::int32_t id : ids)
    json.value(id);
  json.end_array().member("count", ids.size()).end_object();
  return out;
}

std::string detokenize_body(Fields& fields, const tokenizer::Tokenizer& tokenizer) {
  fields.require("tokens");
  const bool keep_special = !fields.boolean("skip_special_tokens").value_or(false);
  const boost::json::value* tokens = fields.find("tokens");
  std::vector<std::int32_t> ids;
  if (tokens != nullptr && !tokens->is_array()) {
    fields.add("tokens", "array", "tokens must be an array of token ids, found " + kind_name(*tokens), *tokens);
  } else if (tokens != nullptr) {
    for (const boost::json::value& item : tokens->get_array()) {
      const auto id = as_unsigned(item);
      if (!id || *id >= tokenizer.vocab_size()) {
        fields.add(fmt::format("tokens[{}]", ids.size()), fmt::format("range(0..={})", tokenizer.vocab_size() - 1),
                   fmt::format("tokens[{}] must be a token id from 0 to {}", ids.size(), tokenizer.vocab_size() - 1),
                   item);
        return {};
      }
      ids.push_back(static_cast<std::int32_t>(*id));
    }
  }
  std::string out;
  JsonWriter(out).begin_object().member("content", tokenizer.decode(ids, keep_special)).end_object();
  return out;
}

template <class Body>
Answer serve(Worker& worker, const http::Request& request, http::Exchange& exchange, Body body) {
  if (!worker.backend()) {
    http::Response refusal = openai_error(503, "the model is loading");
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  const std::shared_ptr<const tokenizer::Tokenizer> tokenizer = worker.backend()->tokenizer;
  const std::string& text = request.body;
  const auto work = [&text, tokenizer, body] {
    return answer(text, [&](Fields& fields) { return body(fields, *tokenizer); });
  };
  http::Response response = co_await worker.run(text.size(), work);
  co_await exchange.respond(std::move(response));
}

}  // namespace

Answer tokenize(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  return serve(worker, request, exchange, tokenize_body);
}

Answer detokenize(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  return serve(worker, request, exchange, detokenize_body);
}

}  // namespace llorch::api
