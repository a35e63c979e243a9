#include "config/table.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/text.hpp"
#include "base/url.hpp"

namespace llorch::config {
namespace {

std::string address_rule(const std::string& value) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  const bool is_address = ::inet_pton(AF_INET, value.c_str(), address.data()) == 1 ||
                          ::inet_pton(AF_INET6, value.c_str(), address.data()) == 1;
  return is_address ? "" : "an IP address";
}

std::string url_rule(const std::string& value) {
  if (value.empty()) return {};
  return parse_url(value) ? "" : "an http://host[:port]/path URL (no https, no user information)";
}

std::string id_rule(const std::string& value) {
  constexpr std::size_t kLongest = 128;
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  const bool is_id = !value.empty() && value.size() <= kLongest && std::all_of(value.begin(), value.end(), visible);
  return is_id ? "" : "1 to 128 visible ASCII characters";
}

Row text(std::string key, std::string environment, std::string Config::*member, std::string help,
         std::string limits = "", std::string (*rule)(const std::string&) = nullptr) {
  Row row;
  row.option = {std::move(key), std::move(environment), "text", std::move(help), std::move(limits), ""};
  row.member = member;
  row.rule = rule;
  return row;
}

Row path(std::string key, std::string environment, std::string Config::*member, std::string help,
         Kind kind = Kind::kPath) {
  Row row = text(std::move(key), std::move(environment), member, std::move(help));
  row.option.type = kind == Kind::kPath ? "path" : "name or path";
  row.kind = kind;
  return row;
}

Row choice(std::string key, std::string environment, std::string Config::*member, std::string help,
           std::vector<std::string> choices) {
  Row row = text(std::move(key), std::move(environment), member, std::move(help));
  row.option.type = "choice";
  for (const std::string& name : choices)
    row.option.limits += (row.option.limits.empty() ? "" : ", ") + name;
  row.kind = Kind::kChoice;
  row.choices = std::move(choices);
  return row;
}

template <class T>
Row integer(std::string key, std::string environment, T Config::*member, std::uint64_t min, std::uint64_t max,
            std::string help, bool zero_too = false) {
  Row row;
  const std::string limits = (zero_too ? "0 or " : "") + std::to_string(min) + ".." + std::to_string(max);
  row.option = {std::move(key), std::move(environment), "integer", std::move(help), limits, ""};
  row.kind = Kind::kInteger;
  row.member = member;
  row.min = min;
  row.max = max;
  row.zero_too = zero_too;
  return row;
}

std::vector<Row> make_rows() {
  constexpr std::uint64_t kDay = 86'400;
  constexpr std::uint64_t kHour = 3'600;
  std::vector<Row> table;
  table.push_back(text("worker_id", "WORKER_ID", &Config::worker_id,
                       "Name of this worker in the ready callback, /health and the log.",
                       "1 to 128 visible ASCII characters", id_rule));
  table.push_back(
      path("model", "MODEL_PATH", &Config::model, "Model to serve: a GGUF file or a Hugging Face directory."));
  table.push_back(text("model_name", "LLORCH_MODEL_NAME", &Config::model_name,
                       "Name of the model in /v1/models and answers; empty: the file's or directory's name."));
  table.push_back(
      path("plugin", "PLUGIN", &Config::plugin,
           "Backend: a plugin's name, or a path when it holds a slash; empty: the installed one that can run "
           "the model.",
           Kind::kPluginPath));
  table.push_back(path("plugin_dir", "LLORCH_PLUGIN_DIR", &Config::plugin_dir,
                       "Directory of plugins; empty: lib/llorch/plugins beside the program's bin directory."));
  table.push_back(integer("device", "LLORCH_DEVICE", &Config::device, 0, 255,
                          "Device of the plugin to compute on, counted from 0 as `llorch-host plugins` lists them."));
  table.push_back(path("chat_template", "LLORCH_CHAT_TEMPLATE", &Config::chat_template,
                       "Chat template: the name of a built-in one, or a path; empty: the model's own, else a built-in "
                       "that fits.",
                       Kind::kPluginPath));
  table.push_back(text("host", "LLORCH_HOST", &Config::host, "Address to listen on; 0.0.0.0 or :: for all.",
                       "an IP address", address_rule));
  table.push_back(integer("port", "PORT", &Config::port, 0, 65'535, "Port to listen on; 0 picks a free one."));
  table.push_back(text("callback_url", "CALLBACK_URL", &Config::callback_url,
                       "Where to report, by POST, that the model can serve; empty: nowhere.", "an http:// URL",
                       url_rule));
  table.push_back(integer("context", "LLORCH_CONTEXT", &Config::context, 2, 16'777'216,
                          "Tokens that one sequence (prompt and answer) may hold; 0: the model's limit.", true));
  table.push_back(integer("slots", "LLORCH_SLOTS", &Config::slots, 1, 256, "Sequences computed at the same time."));
  table.push_back(integer("queue", "LLORCH_QUEUE", &Config::queue, 1, 65'536,
                          "Requests that may wait beyond those; more are answered 429."));
  table.push_back(integer("batch", "LLORCH_BATCH", &Config::batch, 1, 65'536, "Most tokens in one step of a prompt."));
  table.push_back(integer("threads", "LLORCH_THREADS", &Config::threads, 1, 1'024, "Compute threads of the plugin."));
  table.push_back(choice("kv_type", "LLORCH_KV_TYPE", &Config::kv_type,
                         "Type of the keys and values that the KV cache holds; default: what the plugin takes on its "
                         "own (the CPU plugins: f32).",
                         {"default", "f32", "f16", "q8_0"}));
  table.push_back(choice("kv_type_k", "LLORCH_KV_TYPE_K", &Config::kv_type_k,
                         "Type of the keys alone; same: as kv_type. A kv_type from a stronger source overrides it.",
                         {"same", "f32", "f16", "q8_0"}));
  table.push_back(choice("kv_type_v", "LLORCH_KV_TYPE_V", &Config::kv_type_v,
                         "Type of the values alone; same: as kv_type. A kv_type from a stronger source overrides it.",
                         {"same", "f32", "f16", "q8_0"}));
  table.push_back(integer("shutdown_timeout", "LLORCH_SHUTDOWN_TIMEOUT", &Config::shutdown_timeout, 0, kDay,
                          "Seconds that running requests get to finish after SIGTERM."));
  table.push_back(integer("max_body_bytes", "LLORCH_MAX_BODY_BYTES", &Config::max_body_bytes, 1'024, 1'073'741'824,
                          "Largest request body in bytes; more is answered 413."));
  table.push_back(integer("request_timeout", "LLORCH_REQUEST_TIMEOUT", &Config::request_timeout, 1, kHour,
                          "Seconds a client has to send one whole request."));
  table.push_back(integer("keep_alive_timeout", "LLORCH_KEEP_ALIVE_TIMEOUT", &Config::keep_alive_timeout, 1, kDay,
                          "Seconds an idle connection stays open."));
  table.push_back(integer("write_timeout", "LLORCH_WRITE_TIMEOUT", &Config::write_timeout, 1, kHour,
                          "Seconds a client may leave an answer unread before its request is cancelled."));
  table.push_back(integer("max_connections", "LLORCH_MAX_CONNECTIONS", &Config::max_connections, 1, 65'536,
                          "Most open connections; more are answered 503."));
  table.push_back(path("api_key_file", "LLORCH_API_KEY_FILE", &Config::api_key_file,
                       "File whose first line is the key that clients must send as Bearer; empty: no key."));
  table.push_back(choice("log_level", "LLORCH_LOG_LEVEL", &Config::log_level, "Least severity that is logged.",
                         {"trace", "debug", "info", "warn", "error", "critical", "off"}));
  const Config defaults;
  for (Row& row : table)
    row.option.default_text = value_text(row, defaults);
  return table;
}

Error expected(const Row& row, const std::string& found) {
  return make_error(ErrorCode::kInvalidArgument, "expected " + expectation(row) + ", found " + found);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> line(b.size() + 1);
  std::iota(line.begin(), line.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(line[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = line[j + 1];
      line[j + 1] = std::min({replaced, line[j] + 1, line[j + 1] + 1});
    }
  }
  return line.back();
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> table = make_rows();
  return table;
}

const Row* find_row(std::string_view key) {
  const auto found = std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return row.option.key == key; });
  return found == rows().end() ? nullptr : &*found;
}

const std::vector<Option>& options() {
  static const std::vector<Option> table = [] {
    std::vector<Option> result;
    for (const Row& row : rows())
      result.push_back(row.option);
    return result;
  }();
  return table;
}

std::string Option::flag() const {
  std::string name = "--" + key;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string nearest_key(std::string_view key) {
  constexpr std::size_t kLongest = 64;  // nobody misspells a key into this
  if (key.size() > kLongest) return {};
  std::string nearest;
  std::size_t least = std::max<std::size_t>(2, key.size() / 3) + 1;
  for (const Row& row : rows()) {
    const std::size_t distance = edit_distance(key, row.option.key);
    if (distance < least) {
      least = distance;
      nearest = row.option.key;
    }
  }
  return nearest;
}

std::string expectation(const Row& row) {
  switch (row.kind) {
    case Kind::kInteger:
      return "an integer " + row.option.limits;
    case Kind::kChoice:
      return "one of " + row.option.limits;
    case Kind::kPath:
    case Kind::kPluginPath:
      return "a path as text";
    case Kind::kText:
      break;
  }
  return row.option.limits.empty() ? "text" : row.option.limits;
}

std::string value_text(const Row& row, const Config& config) {
  return std::visit(
      [&config](auto member) -> std::string {
        if constexpr (std::is_same_v<decltype(member), std::string Config::*>) {
          return config.*member;
        } else {
          return std::to_string(config.*member);
        }
      },
      row.member);
}

Result<void> assign_integer(const Row& row, std::uint64_t number, Config* config) {
  const bool in_range = (number >= row.min && number <= row.max) || (row.zero_too && number == 0);
  if (row.kind != Kind::kInteger || !in_range) return expected(row, std::to_string(number));
  std::visit(
      [&](auto member) {
        using Value = std::remove_reference_t<decltype(config->*member)>;
        if constexpr (!std::is_same_v<Value, std::string>) config->*member = static_cast<Value>(number);
      },
      row.member);
  return {};
}

Result<void> assign_text(const Row& row, const std::string& value, Config* config) {
  if (row.kind == Kind::kInteger) {
    std::uint64_t number = 0;
    const char* end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) return expected(row, quote(value));
    return assign_integer(row, number, config);
  }
  const auto& choices = row.choices;
  if (row.kind == Kind::kChoice && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    return expected(row, quote(value));
  }
  if (value.find('\0') != std::string::npos) return make_error(ErrorCode::kInvalidArgument, "a NUL in the value");
  if (row.rule != nullptr) {
    if (const std::string wanted = row.rule(value); !wanted.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "expected " + wanted + ", found " + quote(value));
    }
  }
  if (const auto* member = std::get_if<std::string Config::*>(&row.member)) config->*(*member) = value;
  return {};
}

}  // namespace llorch::config
