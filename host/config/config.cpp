#include "config/config.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "config/table.hpp"

namespace llorch::config {
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

Error unknown_key(const std::string& origin, std::string_view key) {
  const std::string nearest = nearest_key(key);
  return invalid(origin + ": unknown key " + quote(key) +
                 (nearest.empty() ? std::string("; --help lists them") : "; did you mean \"" + nearest + "\"?"));
}

Result<std::string> read_file(const std::string& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status)) return make_error(ErrorCode::kNotFound, "config file " + quote(file, 500) + ": not found");
  if (!fs::is_regular_file(status)) return invalid("config file " + quote(file, 500) + ": not a regular file");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return make_error(ErrorCode::kIo,
                      "config file " + quote(file, 500) + ": cannot be opened: " + std::strerror(errno));
  }
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) return make_error(ErrorCode::kIo, "config file " + quote(file, 500) + ": cannot be read");
  if (text.size() > kMaxFileBytes) return invalid("config file " + quote(file, 500) + ": larger than 1 MiB");
  return text;
}

const char* kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number with a fraction or exponent";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      break;
  }
  return "an object";
}

// A path that a file names is meant from where the file lies, whatever the directory the worker was started in.
std::string from_directory_of(const std::string& file, const Row& row, const std::string& value) {
  const bool is_path =
      row.kind == Kind::kPath || (row.kind == Kind::kPluginPath && value.find('/') != std::string::npos);
  if (!is_path || value.empty() || fs::path(value).is_absolute()) return value;
  return (fs::path(file).parent_path() / value).lexically_normal().string();
}

Result<void> assign_json(const Row& row, const json::value& value, const std::string& file, Config* config) {
  if (row.kind == Kind::kInteger) {
    if (value.is_uint64()) return assign_integer(row, value.get_uint64(), config);
    if (value.is_int64() && value.get_int64() >= 0) {
      return assign_integer(row, static_cast<std::uint64_t>(value.get_int64()), config);
    }
    const std::string found = value.is_int64() ? std::to_string(value.get_int64()) : kind_name(value);
    return invalid("expected " + expectation(row) + ", found " + found);
  }
  if (!value.is_string()) return invalid("expected " + expectation(row) + ", found " + kind_name(value));
  const std::string text(value.get_string().data(), value.get_string().size());
  return assign_text(row, from_directory_of(file, row, text), config);
}

class Resolver {
 public:
  Resolver() {
    for (const Row& row : rows())
      note(row, Source::kDefault, "");
  }

  Result<void> apply_file(const std::string& file) {
    auto text = read_file(file);
    if (!text) return text.error();
    JsonLimits limits;
    limits.max_bytes = kMaxFileBytes;
    auto document = parse_json(*text, limits);
    if (!document) return invalid(file + ": " + document.error().message);
    const json::object* members = document->if_object();
    if (members == nullptr) return invalid(file + ": expected a JSON object, found " + kind_name(*document));
    for (const auto& member : *members) {
      const std::string_view key(member.key().data(), member.key().size());
      const Row* row = find_row(key);
      if (row == nullptr) return unknown_key(file, key);
      if (auto done = assign_json(*row, member.value(), file, &resolved_.config); !done) {
        return invalid(file + ": " + row->option.key + ": " + done.error().message);
      }
      note(*row, Source::kFile, file);
    }
    return {};
  }

  Result<void> apply_environment(const std::map<std::string, std::string>& environment) {
    for (const Row& row : rows()) {
      const auto variable = environment.find(row.option.environment);
      if (variable == environment.end() || variable->second.empty()) continue;
      if (auto done = assign_text(row, variable->second, &resolved_.config); !done) {
        return invalid("environment variable " + row.option.environment + ": " + done.error().message);
      }
      note(row, Source::kEnvironment, row.option.environment);
    }
    return {};
  }

  Result<void> apply_flags(const std::map<std::string, std::string>& flags) {
    for (const auto& [key, value] : flags) {
      const Row* row = find_row(key);
      if (row == nullptr) return unknown_key("command line", key);
      if (auto done = assign_text(*row, value, &resolved_.config); !done) {
        return invalid(row->option.flag() + ": " + done.error().message);
      }
      note(*row, Source::kCommandLine, row->option.flag());
    }
    return {};
  }

  /// A kv_type means both sides: it overrides a kv_type_k or kv_type_v of a weaker source.
  void settle_kv_types() {
    const auto source = [&](const char* key) {
      const auto found = resolved_.sources.find(key);
      return found == resolved_.sources.end() ? Source::kDefault : found->second;
    };
    for (const auto& [key, value] :
         {std::pair{"kv_type_k", &resolved_.config.kv_type_k}, std::pair{"kv_type_v", &resolved_.config.kv_type_v}}) {
      if (source(key) >= source("kv_type") || *value == "same") continue;
      *value = "same";
      note(*find_row(key), source("kv_type"), resolved_.origin["kv_type"]);
    }
  }

  Resolved take() { return std::move(resolved_); }

 private:
  void note(const Row& row, Source source, const std::string& origin) {
    resolved_.sources[row.option.key] = source;
    resolved_.origin[row.option.key] = origin;
  }

  Resolved resolved_;
};

}  // namespace

std::string_view to_string(Source source) noexcept {
  switch (source) {
    case Source::kDefault:
      return "default";
    case Source::kFile:
      return "file";
    case Source::kEnvironment:
      return "environment";
    case Source::kCommandLine:
      return "command line";
  }
  return "default";
}

Result<Resolved> resolve(const std::map<std::string, std::string>& flags,
                         const std::map<std::string, std::string>& environment, const std::string& file) {
  Resolver resolver;
  if (!file.empty()) {
    if (auto done = resolver.apply_file(file); !done) return done.error();
  }
  if (auto done = resolver.apply_environment(environment); !done) return done.error();
  if (auto done = resolver.apply_flags(flags); !done) return done.error();
  resolver.settle_kv_types();
  return resolver.take();
}

std::string print(const Resolved& resolved) {
  const auto quoted = [](std::string_view text) { return json::serialize(json::value(valid_utf8(text))); };
  std::string text = "{";
  const char* separator = "\n";
  for (const Row& row : rows()) {
    const std::string& key = row.option.key;
    const std::string value = value_text(row, resolved.config);
    const auto source = resolved.sources.find(key);
    const auto origin = resolved.origin.find(key);
    text += std::exchange(separator, ",\n");
    text += "  " + quoted(key) + ": {\"value\": " + (row.kind == Kind::kInteger ? value : quoted(value));
    text += ", \"source\": ";
    text += quoted(to_string(source == resolved.sources.end() ? Source::kDefault : source->second));
    if (origin != resolved.origin.end() && !origin->second.empty()) text += ", \"origin\": " + quoted(origin->second);
    text += "}";
  }
  return text + "\n}\n";
}

}  // namespace llorch::config
