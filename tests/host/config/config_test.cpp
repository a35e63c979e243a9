// Where a value comes from, and what is refused: precedence, types, ranges, paths, printing.
#include "config/config.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/temporary_directory.hpp"

using namespace llorch;
using namespace llorch::config;
using Map = std::map<std::string, std::string>;

namespace {

struct Directory : testing::TemporaryDirectory {
  std::string file(const std::string& text, const std::string& name = "worker.json") {
    const auto where = path() / name;
    std::filesystem::create_directories(where.parent_path());
    std::ofstream(where, std::ios::binary) << text;
    return where.string();
  }
  /// The error of resolving a file with this text, without the directory's name; "" when it was accepted.
  std::string error_of(const std::string& text) {
    const auto resolved = resolve({}, {}, file(text));
    if (resolved) return {};
    std::string message = resolved.error().message;
    const std::string prefix = path().string() + "/";
    for (std::size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    return message;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(worker_config, Directory)

BOOST_AUTO_TEST_CASE(without_anything_the_defaults_of_the_struct_hold) {
  const auto resolved = resolve({}, {}, "");
  BOOST_REQUIRE(resolved);
  const Config defaults;
  BOOST_TEST(resolved->config.port == defaults.port);
  BOOST_TEST(resolved->config.host == "127.0.0.1");
  for (const Option& option : options()) {
    BOOST_TEST((resolved->sources.at(option.key) == Source::kDefault), option.key);
  }
}

BOOST_AUTO_TEST_CASE(each_level_wins_over_the_ones_below_it) {
  const std::string path_of_file = file(R"({"port": 1111, "queue": 7, "threads": 3, "worker_id": "from-file"})");
  const Map environment{{"PORT", "2222"}, {"LLORCH_QUEUE", "8"}, {"HOME", "ignored"}};
  const Map flags{{"port", "3333"}};
  const auto resolved = resolve(flags, environment, path_of_file);
  BOOST_REQUIRE_MESSAGE(resolved, resolved.error().message);
  BOOST_TEST(resolved->config.port == 3333);
  BOOST_TEST(resolved->origin.at("port") == "--port");
  BOOST_TEST(resolved->config.queue == 8U);
  BOOST_TEST(resolved->origin.at("queue") == "LLORCH_QUEUE");
  BOOST_TEST(resolved->config.threads == 3U);
  BOOST_TEST(resolved->config.worker_id == "from-file");
  BOOST_TEST(resolved->origin.at("worker_id") == path_of_file);
  BOOST_TEST((resolved->sources.at("batch") == Source::kDefault));
}

BOOST_AUTO_TEST_CASE(a_type_of_the_cache_overrides_the_types_of_its_sides_from_weaker_sources) {
  const auto resolved = config::resolve({{"kv_type", "f32"}, {"kv_type_v", "f16"}},
                                        {{"LLORCH_KV_TYPE_K", "q8_0"}, {"LLORCH_KV_TYPE_V", "q8_0"}}, "");
  BOOST_REQUIRE(resolved.has_value());
  BOOST_TEST(resolved->config.kv_type_k == "same");
  BOOST_TEST(resolved->config.kv_type_v == "f16");
  const auto weaker = config::resolve({{"kv_type_k", "f16"}}, {{"LLORCH_KV_TYPE", "q8_0"}}, "");
  BOOST_REQUIRE(weaker.has_value());
  BOOST_TEST(weaker->config.kv_type_k == "f16");
}

BOOST_AUTO_TEST_CASE(a_bad_value_is_an_error_even_when_a_higher_level_would_replace_it) {
  const auto resolved = resolve({{"port", "80"}}, {{"PORT", "eighty"}}, "");
  BOOST_REQUIRE(!resolved);
  BOOST_TEST(resolved.error().message == "environment variable PORT: expected an integer 0..65535, found \"eighty\"");
}

BOOST_AUTO_TEST_CASE(the_contract_variables_have_their_contract_names) {
  const Map environment{{"WORKER_ID", "w0"},
                        {"MODEL_PATH", "m.gguf"},
                        {"PLUGIN", "gpt2_cpu"},
                        {"PORT", "0"},
                        {"CALLBACK_URL", "http://127.0.0.1:1/ready"}};
  const auto resolved = resolve({}, environment, "");
  BOOST_REQUIRE_MESSAGE(resolved, resolved.error().message);
  BOOST_TEST(resolved->config.worker_id == "w0");
  BOOST_TEST(resolved->config.model == "m.gguf");
  BOOST_TEST(resolved->config.plugin == "gpt2_cpu");
  BOOST_TEST(resolved->config.port == 0);
  BOOST_TEST(resolved->config.callback_url == "http://127.0.0.1:1/ready");
}

BOOST_AUTO_TEST_CASE(an_empty_variable_counts_as_not_set) {
  const auto resolved = resolve({}, {{"PORT", ""}, {"PLUGIN", ""}}, "");
  BOOST_REQUIRE(resolved);
  BOOST_TEST(resolved->config.port == 8080);
}

BOOST_AUTO_TEST_CASE(every_integer_keeps_its_range_at_every_level) {
  for (const Option& option : options()) {
    if (option.type != "integer") continue;
    const std::size_t dots = option.limits.find("..");
    const bool zero_too = option.limits.starts_with("0 or ");
    const std::uint64_t min = std::stoull(option.limits.substr(zero_too ? 5 : 0));
    const std::uint64_t max = std::stoull(option.limits.substr(dots + 2));
    struct Row {
      std::string value;
      bool fine;
    };
    std::vector<Row> table = {{std::to_string(min), true},      {std::to_string(max), true},
                              {std::to_string(max + 1), false}, {"-1", false},
                              {"18446744073709551616", false},  {"0", zero_too || min == 0}};
    if (min > 1) table.push_back({std::to_string(min - 1), zero_too && min == 1});
    for (const Row& row : table) {
      BOOST_TEST(resolve({{option.key, row.value}}, {}, "").has_value() == row.fine, option.flag() << " " << row.value);
      BOOST_TEST(resolve({}, {{option.environment, row.value}}, "").has_value() == row.fine,
                 option.environment << "=" << row.value);
      BOOST_TEST(error_of("{\"" + option.key + "\": " + row.value + "}").empty() == row.fine,
                 option.key << ": " << row.value << ": " << error_of("{\"" + option.key + "\": " + row.value + "}"));
    }
    for (const char* bad : {"", " 1", "1 ", "+1", "0x10", "1e2", "1.0", "one"}) {
      BOOST_TEST(!resolve({{option.key, bad}}, {}, ""), option.flag() << " '" << bad << "'");
    }
    for (const char* bad : {"1.0", "1e2", "\"1\"", "true", "null", "[]", "{}"}) {
      const std::string message = error_of("{\"" + option.key + "\": " + bad + "}");
      BOOST_TEST(message.starts_with("worker.json: " + option.key + ": expected an integer " + option.limits), message);
    }
  }
}

BOOST_AUTO_TEST_CASE(text_and_choices_refuse_other_types_and_values) {
  for (const Option& option : options()) {
    if (option.type == "integer") continue;
    for (const char* bad : {"1", "true", "null", "[]", "{}"}) {
      const std::string message = error_of("{\"" + option.key + "\": " + bad + "}");
      BOOST_TEST(message.starts_with("worker.json: " + option.key + ": expected "), option.key << " " << message);
    }
  }
  struct Row {
    const char* key;
    const char* value;
    const char* message;  // empty: accepted
  };
  const Row table[] = {
      {"log_level", "debug", ""},
      {"log_level", "loud",
       "--log-level: expected one of trace, debug, info, warn, error, critical, off, found \"loud\""},
      {"kv_type", "q8_0", ""},
      {"kv_type", "default", ""},
      {"kv_type", "q4_0", "--kv-type: expected one of default, f32, f16, q8_0, found \"q4_0\""},
      {"kv_type", "", "--kv-type: expected one of default, f32, f16, q8_0, found \"\""},
      {"kv_type_k", "f16", ""},
      {"kv_type_v", "same", ""},
      {"kv_type_v", "default", "--kv-type-v: expected one of same, f32, f16, q8_0, found \"default\""},
      {"host", "::1", ""},
      {"host", "localhost", "--host: expected an IP address, found \"localhost\""},
      {"host", "", "--host: expected an IP address, found \"\""},
      {"worker_id", "", "--worker-id: expected 1 to 128 visible ASCII characters, found \"\""},
      {"worker_id", "a b", "--worker-id: expected 1 to 128 visible ASCII characters, found \"a b\""},
      {"callback_url", "", ""},
      {"callback_url", "http://[::1]:9/x?y", ""},
      {"callback_url", "https://h/",
       "--callback-url: expected an http://host[:port]/path URL (no https, no user information), found \"https://h/\""},
      {"callback_url", "http:///x",
       "--callback-url: expected an http://host[:port]/path URL (no https, no user information), found \"http:///x\""},
      {"callback_url", "http://h:99999/",
       "--callback-url: expected an http://host[:port]/path URL (no https, no user information), found "
       "\"http://h:99999/\""},
      {"context", "1", "--context: expected an integer 0 or 2..16777216, found 1"},
  };
  for (const Row& row : table) {
    const auto resolved = resolve({{row.key, row.value}}, {}, "");
    const std::string message = resolved ? "" : resolved.error().message;
    BOOST_TEST(message == row.message, row.key << ": expected '" << row.message << "', found '" << message << "'");
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_key_is_refused_and_the_nearest_known_one_named) {
  BOOST_TEST(error_of(R"({"prot": 1})") == R"(worker.json: unknown key "prot"; did you mean "port"?)");
  BOOST_TEST(error_of(R"({"max_connection": 1})") ==
             R"(worker.json: unknown key "max_connection"; did you mean "max_connections"?)");
  BOOST_TEST(error_of(R"({"temperature": 1})") == R"(worker.json: unknown key "temperature"; --help lists them)");
  BOOST_TEST(error_of("{\"" + std::string(100'000, 'a') + "\": 1}").size() < 300U);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_one_json_object_is_one_line_that_names_it) {
  for (const char* text : {"", "{", "[]", "3", "{\"port\": 1} x", "{\"port\": 1, \"port\": 2}", "{\"port\": 1,}",
                           "{'port': 1}", "\xEF\xBB\xBF{}x", "{\"port\": NaN}"}) {
    const std::string message = error_of(text);
    BOOST_TEST(message.starts_with("worker.json: "), "'" << text << "': " << message);
    BOOST_TEST(message.find('\n') == std::string::npos, message);
  }
}

BOOST_AUTO_TEST_CASE(a_missing_or_unfit_file_is_named) {
  const std::string missing = (path() / "none.json").string();
  const auto resolved = resolve({}, {}, missing);
  BOOST_REQUIRE(!resolved);
  BOOST_TEST((resolved.error().code == ErrorCode::kNotFound));
  BOOST_TEST(resolved.error().message == "config file \"" + missing + "\": not found");
  const auto directory = resolve({}, {}, path().string());
  BOOST_REQUIRE(!directory);
  BOOST_TEST(directory.error().message.ends_with(": not a regular file"), directory.error().message);
  BOOST_TEST(error_of(std::string(1024 * 1024 + 1, ' ')).ends_with(": larger than 1 MiB"));
}

BOOST_AUTO_TEST_CASE(relative_paths_in_a_file_start_at_the_files_directory) {
  const std::string where =
      file(R"({"model": "../models/m", "plugin_dir": "plugins", "api_key_file": "/etc/key", "plugin": "./x.so"})",
           "configs/worker.json");
  const auto resolved = resolve({}, {}, where);
  BOOST_REQUIRE_MESSAGE(resolved, resolved.error().message);
  BOOST_TEST(resolved->config.model == (path() / "models/m").string());
  BOOST_TEST(resolved->config.plugin_dir == (path() / "configs/plugins").string());
  BOOST_TEST(resolved->config.api_key_file == "/etc/key");
  BOOST_TEST(resolved->config.plugin == (path() / "configs/x.so").string());
}

BOOST_AUTO_TEST_CASE(a_plugins_name_and_paths_from_elsewhere_stay_as_they_are) {
  const auto from_file = resolve({}, {}, file(R"({"plugin": "gpt2_cpu", "model": ""})"));
  BOOST_REQUIRE(from_file);
  BOOST_TEST(from_file->config.plugin == "gpt2_cpu");
  BOOST_TEST(from_file->config.model == "");
  const auto from_flag = resolve({{"model", "../m"}}, {}, file("{}"));
  BOOST_REQUIRE(from_flag);
  BOOST_TEST(from_flag->config.model == "../m");
}

BOOST_AUTO_TEST_CASE(printing_shows_every_value_with_its_source) {
  const auto resolved = resolve({{"model", "a \"b\"\n"}}, {{"PORT", "0"}}, file(R"({"queue": 5})"));
  BOOST_REQUIRE(resolved);
  const auto document = parse_json(print(*resolved));
  BOOST_REQUIRE_MESSAGE(document, document.error().message);
  const auto& object = document->as_object();
  BOOST_TEST(object.size() == options().size());
  BOOST_TEST(object.at("model").at("value").as_string() == "a \"b\"\n");
  BOOST_TEST(object.at("model").at("source").as_string() == "command line");
  BOOST_TEST(object.at("model").at("origin").as_string() == "--model");
  BOOST_TEST(object.at("port").at("value").as_int64() == 0);
  BOOST_TEST(object.at("port").at("source").as_string() == "environment");
  BOOST_TEST(object.at("queue").at("source").as_string() == "file");
  BOOST_TEST(object.at("batch").at("source").as_string() == "default");
}

BOOST_AUTO_TEST_CASE(what_is_printed_can_be_given_back_as_flags) {
  const auto resolved = resolve({{"port", "0"}, {"log_level", "warn"}}, {}, "");
  BOOST_REQUIRE(resolved);
  const auto document = parse_json(print(*resolved)).value();
  Map flags;
  for (const auto& member : document.as_object()) {
    const auto& value = member.value().at("value");
    flags[std::string(member.key())] =
        value.is_string() ? std::string(value.as_string().c_str()) : std::to_string(value.as_int64());
  }
  const auto again = resolve(flags, {}, "");
  BOOST_REQUIRE_MESSAGE(again, again.error().message);
  BOOST_TEST(again->config.port == 0);
  BOOST_TEST(again->config.log_level == "warn");
}

BOOST_AUTO_TEST_SUITE_END()
