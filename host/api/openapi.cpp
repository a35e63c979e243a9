// GET /openapi.json: the routes for tools. A test holds it against the table of routes.
#include "api/handlers.hpp"

namespace llorch::api {
namespace {

constexpr std::string_view kDocument = R"json({
  "openapi": "3.1.0",
  "info": {
    "title": "llorch worker",
    "version": "1",
    "description": "The worker contract (/execute, /cancel, /health) and the routes that existing clients speak."
  },
  "paths": {
    "/execute": {"post": {
      "summary": "Run one job and stream its events",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Execute"}}}},
      "responses": {
        "200": {"description": "Events started, token, metrics, and one of end or error", "content": {"text/event-stream": {}}},
        "400": {"$ref": "#/components/responses/Faults"},
        "409": {"$ref": "#/components/responses/Faults"},
        "429": {"$ref": "#/components/responses/Faults"},
        "503": {"$ref": "#/components/responses/Faults"}
      }}},
    "/cancel": {"post": {
      "summary": "End a job that runs or waits",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["job_id"], "properties": {"job_id": {"type": "string", "minLength": 1}}}}}},
      "responses": {
        "200": {"description": "The job ends within a token"},
        "400": {"$ref": "#/components/responses/Faults"},
        "404": {"$ref": "#/components/responses/Faults"}
      }}},
    "/health": {"get": {
      "summary": "State of the worker",
      "responses": {"200": {"description": "healthy"}, "503": {"description": "loading, draining or unhealthy"}}}},
    "/v1/models": {"get": {
      "summary": "The model that runs here",
      "responses": {"200": {"description": "A list of one; empty while the model loads"}}}},
    "/v1/models/{model}": {"get": {
      "summary": "The model that runs here, by its name",
      "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}],
      "responses": {"200": {"description": "The model"}, "404": {"$ref": "#/components/responses/Error"}}}},
    "/v1/completions": {"post": {
      "summary": "Continue one or several prompts",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Completion"}}}},
      "responses": {
        "200": {"description": "A completion, or its chunks when stream is set",
                "content": {"application/json": {}, "text/event-stream": {}}},
        "400": {"$ref": "#/components/responses/Error"},
        "429": {"$ref": "#/components/responses/Error"},
        "500": {"$ref": "#/components/responses/Error"},
        "503": {"$ref": "#/components/responses/Error"}
      }}},
    "/v1/chat/completions": {"post": {
      "summary": "Answer a conversation",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Chat"}}}},
      "responses": {
        "200": {"description": "A chat completion, or its chunks when stream is set",
                "content": {"application/json": {}, "text/event-stream": {}}},
        "400": {"$ref": "#/components/responses/Error"},
        "429": {"$ref": "#/components/responses/Error"},
        "500": {"$ref": "#/components/responses/Error"},
        "503": {"$ref": "#/components/responses/Error"}
      }}},
    "/tokenize": {"post": {
      "summary": "Text to token ids",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "properties": {
          "content": {"type": "string"}, "prompt": {"type": "string", "description": "another name of content"},
          "add_special": {"type": "boolean", "default": false}, "parse_special": {"type": "boolean", "default": false}}}}}},
      "responses": {"200": {"description": "tokens and count"}, "400": {"$ref": "#/components/responses/Error"}}}},
    "/detokenize": {"post": {
      "summary": "Token ids to text",
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["tokens"], "properties": {"tokens": {"type": "array", "items": {"type": "integer", "minimum": 0}},
          "skip_special_tokens": {"type": "boolean", "default": false}}}}}},
      "responses": {"200": {"description": "content"}, "400": {"$ref": "#/components/responses/Error"}}}},
    "/livez": {"get": {"summary": "The process works", "responses": {"200": {"description": "always"}}}},
    "/readyz": {"get": {
      "summary": "A request would be served now",
      "responses": {"200": {"description": "yes"}, "503": {"description": "no; the body says why"}}}},
    "/v2/health/live": {"get": {"summary": "KServe's name of /livez", "responses": {"200": {"description": "always"}}}},
    "/v2/health/ready": {"get": {
      "summary": "KServe's name of /readyz",
      "responses": {"200": {"description": "yes"}, "503": {"description": "no; the body says why"}}}},
    "/metrics": {"get": {
      "summary": "Metrics for Prometheus",
      "responses": {"200": {"description": "Text exposition format 0.0.4", "content": {"text/plain": {}}}}}},
    "/openapi.json": {"get": {"summary": "This document", "responses": {"200": {"description": "OpenAPI 3.1"}}}},
    "/": {"get": {"summary": "A page to try the worker", "responses": {"200": {"description": "HTML", "content": {"text/html": {}}}}}}
  },
  "components": {
    "schemas": {
      "Execute": {
        "type": "object",
        "required": ["job_id", "prompt", "max_tokens"],
        "properties": {
          "job_id": {"type": "string", "minLength": 1},
          "prompt": {"type": "string", "minLength": 1, "maxLength": 32768},
          "max_tokens": {"type": "integer", "minimum": 1, "maximum": 2048},
          "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "top_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 1.0},
          "top_k": {"type": "integer", "minimum": 0, "default": 0},
          "min_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
          "repetition_penalty": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "seed": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615, "default": 42},
          "stop": {"type": "array", "maxItems": 4, "items": {"type": "string", "minLength": 1, "maxLength": 100}}
        }
      },
      "Completion": {
        "type": "object",
        "required": ["prompt"],
        "properties": {
          "model": {"type": "string"},
          "prompt": {"oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "integer", "minimum": 0}},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}}]},
          "max_tokens": {"type": "integer", "minimum": 0, "default": 16},
          "max_completion_tokens": {"type": "integer", "minimum": 0},
          "n": {"type": "integer", "minimum": 1, "maximum": 16, "default": 1},
          "stream": {"type": "boolean", "default": false},
          "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean", "default": false}}},
          "echo": {"type": "boolean", "default": false},
          "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
          "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "top_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 1.0},
          "top_k": {"type": "integer", "minimum": 0, "default": 0},
          "min_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
          "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
          "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
          "repetition_penalty": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "logit_bias": {"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
          "seed": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
          "stop": {"oneOf": [{"type": "string"}, {"type": "array", "maxItems": 16, "items": {"type": "string"}}]},
          "ignore_eos": {"type": "boolean", "default": false}
        }
      },
      "Chat": {
        "type": "object",
        "required": ["messages"],
        "properties": {
          "model": {"type": "string"},
          "messages": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["role", "content"], "properties": {
              "role": {"enum": ["system", "developer", "user", "assistant"]},
              "content": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["type", "text"], "properties": {
                  "type": {"const": "text"}, "text": {"type": "string"}}}}]},
              "name": {"type": "string"}}}},
          "max_tokens": {"type": "integer", "minimum": 1, "description": "default: what the context has room for"},
          "max_completion_tokens": {"type": "integer", "minimum": 1},
          "n": {"type": "integer", "minimum": 1, "maximum": 16, "default": 1},
          "stream": {"type": "boolean", "default": false},
          "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean", "default": false}}},
          "add_generation_prompt": {"type": "boolean", "default": true},
          "logprobs": {"type": "boolean", "default": false},
          "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
          "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "top_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 1.0},
          "top_k": {"type": "integer", "minimum": 0, "default": 0},
          "min_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
          "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
          "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
          "repetition_penalty": {"type": "number", "minimum": 0, "maximum": 2, "default": 1.0},
          "logit_bias": {"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
          "seed": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
          "stop": {"oneOf": [{"type": "string"}, {"type": "array", "maxItems": 16, "items": {"type": "string"}}]},
          "ignore_eos": {"type": "boolean", "default": false}
        }
      }
    },
    "responses": {
      "Faults": {"description": "Every fault of the request", "content": {"application/json": {"schema": {
        "type": "object", "properties": {"errors": {"type": "array", "items": {"type": "object", "properties": {
          "field": {"type": "string"}, "constraint": {"type": "string"}, "message": {"type": "string"}, "value": {}}}}}}}}},
      "Error": {"description": "OpenAI's error object", "content": {"application/json": {"schema": {
        "type": "object", "properties": {"error": {"type": "object", "properties": {
          "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
          "code": {"type": ["string", "null"]}}}}}}}}
    }
  }
}
)json";

}  // namespace

Answer openapi(Worker&, const http::Request&, http::Exchange& exchange) {
  http::Response response;
  response.body = kDocument;
  co_await exchange.respond(std::move(response));
}

}  // namespace llorch::api
