// GET /: one page, without anything from elsewhere, to try the worker in a browser.
#include "api/handlers.hpp"

namespace llorch::api {
namespace {

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>llorch</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
  textarea { width: 100%; box-sizing: border-box; font: inherit; }
  input { width: 5rem; font: inherit; }
  button { font: inherit; padding: .2rem 1rem; }
  #answer { white-space: pre-wrap; border: 1px solid #8888; border-radius: 4px; padding: 1rem; min-height: 8rem; }
  #state, #timings { color: #666; }
</style>
</head>
<body>
<h1>llorch</h1>
<p id="state">asking the worker…</p>
<form id="form">
  <p><textarea id="prompt" rows="4">Once upon a time</textarea></p>
  <p>
    <label>tokens <input id="tokens" type="number" min="1" max="2048" value="100"></label>
    <label>temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7"></label>
    <label>seed <input id="seed" type="number" min="0" value="42"></label>
    <button id="go">Continue</button> <button id="stop" type="button" disabled>Stop</button>
  </p>
</form>
<div id="answer"></div>
<p id="timings"></p>
<p><a href="/openapi.json">API description</a> · <a href="/metrics">metrics</a> · <a href="/health">health</a></p>
<script>
const at = id => document.getElementById(id);
fetch('/health').then(r => r.json()).then(h => {
  at('state').textContent = `${h.model} with ${h.plugin}: ${h.status}`;
}).catch(e => { at('state').textContent = String(e); });
let running = null;
at('stop').onclick = () => running && running.abort();
at('form').onsubmit = async event => {
  event.preventDefault();
  running = new AbortController();
  at('go').disabled = true; at('stop').disabled = false; at('timings').textContent = '';
  at('answer').textContent = at('prompt').value;
  try {
    const response = await fetch('/v1/completions', {
      method: 'POST', headers: {'Content-Type': 'application/json'}, signal: running.signal,
      body: JSON.stringify({prompt: at('prompt').value, max_tokens: Number(at('tokens').value), stream: true,
                            temperature: Number(at('temperature').value), seed: Number(at('seed').value)})});
    if (!response.ok) throw new Error((await response.json()).error.message);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = '';
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      const events = (held + value).split('\n\n');
      held = events.pop();
      for (const event of events) {
        const data = event.slice('data: '.length);
        if (data === '[DONE]') continue;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new Error(chunk.error.message);
        at('answer').textContent += chunk.choices[0].text;
        if (chunk.timings) at('timings').textContent =
          `first token ${chunk.timings.time_to_first_token_ms} ms, ${chunk.timings.tokens_per_second} tokens/s`;
      }
    }
  } catch (error) {
    at('timings').textContent = String(error.message || error);
  }
  at('go').disabled = false; at('stop').disabled = true; running = null;
};
</script>
</body>
</html>
)html";

}  // namespace

Answer page(Worker&, const http::Request&, http::Exchange& exchange) {
  http::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = kPage;
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  co_await exchange.respond(std::move(response));
}

}  // namespace llorch::api
