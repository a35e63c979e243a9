// The worker's settings: one struct, one table of options, one precedence.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace llorch::config {

enum class Source : std::uint8_t { kDefault, kFile, kEnvironment, kCommandLine };

/// Everything `serve` and the other subcommands can be told. Defaults here are the defaults.
struct Config {
  std::string worker_id = "llorch-0";
  std::string model;       ///< GGUF file or Hugging Face directory
  std::string model_name;  ///< name shown by /v1/models; empty: the file's or directory's name
  std::string plugin;      ///< name or path; empty: the installed plugin that can run the file
  std::string plugin_dir;
  std::uint32_t device = 0;   ///< of the plugin, as it counts them
  std::string chat_template;  ///< name of a built-in or path; empty: the model's own
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string callback_url;
  std::uint32_t context = 0;  ///< tokens a sequence; 0: the model's limit
  std::uint32_t slots = 1;
  std::uint32_t queue = 32;
  std::uint32_t batch = 512;  ///< tokens a prefill chunk
  std::uint32_t threads = 1;
  std::string kv_type = "default";      ///< of keys and values in the KV cache; "default": the plugin's own choice
  std::string kv_type_k = "same";       ///< of keys; "same": as kv_type
  std::string kv_type_v = "same";       ///< of values
  std::uint32_t shutdown_timeout = 30;  ///< seconds
  std::uint64_t max_body_bytes = 4ULL * 1024 * 1024;
  std::uint32_t request_timeout = 30;  ///< seconds to receive header and body
  std::uint32_t keep_alive_timeout = 75;
  std::uint32_t write_timeout = 30;
  std::uint32_t max_connections = 1024;
  std::string api_key_file;
  std::string log_level = "info";
};

/// One option: its single documentation. `key` is the JSON key. An environment variable that is set to nothing counts
/// as not set.
struct Option {
  std::string key, environment;
  std::string type;  ///< "text", "path", "name or path", "integer" or "choice"
  std::string help;  ///< one sentence
  std::string limits;
  std::string default_text;                ///< as print() and the flags show it; empty for an empty string
  [[nodiscard]] std::string flag() const;  ///< --key with '-' for '_'
};
/// The table that flags, environment, file, --print-config and docs are made from.
[[nodiscard]] const std::vector<Option>& options();

struct Resolved {
  Config config;
  std::map<std::string, Source> sources;      ///< by key
  std::map<std::string, std::string> origin;  ///< "configs/x.json", "PORT", "--port"
};

/// The key of `options()` that is spelled most like `key`; empty when none comes near.
[[nodiscard]] std::string nearest_key(std::string_view key);

/// "default", "file", "environment" or "command line".
[[nodiscard]] std::string_view to_string(Source source) noexcept;

/// Command line > environment > file > default. `flags`: key -> text as given. `environment`: variables that are set.
/// Unknown keys of the file, wrong types and values out of range are errors of one line naming key, value, limits and
/// origin. Relative paths in a file are relative to that file's directory. `file`: empty for none; its text is one JSON
/// object of at most 1 MiB. [any-thread]
[[nodiscard]] Result<Resolved> resolve(const std::map<std::string, std::string>& flags,
                                       const std::map<std::string, std::string>& environment, const std::string& file);

/// The result as JSON text with value and source of every key (secrets are never in Config).
[[nodiscard]] std::string print(const Resolved& resolved);

}  // namespace llorch::config
