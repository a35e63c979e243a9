// One function per route; each is a coroutine on the I/O thread. `worker` outlives the server.
#pragma once

#include "api/worker.hpp"
#include "http/exchange.hpp"

namespace llorch::api {

using Answer = boost::asio::awaitable<void>;

// The worker contract (execute_handler.cpp, probe_handlers.cpp)
Answer execute(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer cancel(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer health(Worker& worker, const http::Request& request, http::Exchange& exchange);

// OpenAI's routes (completion_handler.cpp, chat_handler.cpp, model_handlers.cpp)
Answer completions(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer chat_completions(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer models(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer model(Worker& worker, const http::Request& request, http::Exchange& exchange);

// Text and ids (tokenize_handlers.cpp)
Answer tokenize(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer detokenize(Worker& worker, const http::Request& request, http::Exchange& exchange);

// Probes and observation (probe_handlers.cpp)
Answer livez(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer readyz(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer metrics(Worker& worker, const http::Request& request, http::Exchange& exchange);

// For people (page.cpp, openapi.cpp)
Answer page(Worker& worker, const http::Request& request, http::Exchange& exchange);
Answer openapi(Worker& worker, const http::Request& request, http::Exchange& exchange);

}  // namespace llorch::api
