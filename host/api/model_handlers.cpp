// GET /v1/models and GET /v1/models/<name>.
#include "api/clock.hpp"
#include "api/handlers.hpp"
#include "api/json_writer.hpp"
#include "api/openai_error.hpp"

namespace llorch::api {
namespace {

void write_model(JsonWriter& json, const Worker& worker) {
  json.begin_object()
      .member("id", worker.identity().model_name)
      .member("object", "model")
      .member("created", unix_seconds(worker.created()))
      .member("owned_by", "llorch")
      .member("max_model_len", worker.backend()->engine->context_length())
      .end_object();
}

}  // namespace

Answer models(Worker& worker, const http::Request&, http::Exchange& exchange) {
  http::Response response;
  JsonWriter json(response.body);
  json.begin_object().member("object", "list").key("data").begin_array();
  if (worker.backend()) write_model(json, worker);
  json.end_array().end_object();
  co_await exchange.respond(std::move(response));
}

Answer model(Worker& worker, const http::Request&, http::Exchange& exchange) {
  http::Response response;
  if (worker.backend()) {
    JsonWriter json(response.body);
    write_model(json, worker);
  } else {
    response = openai_error(503, "the model is loading");
  }
  co_await exchange.respond(std::move(response));
}

}  // namespace llorch::api
