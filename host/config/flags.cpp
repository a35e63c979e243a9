#include "config/flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <stdexcept>

#include "config/config.hpp"

namespace llorch::config {
namespace {

std::string description(const Option& option) {
  std::string text = option.help + " [";
  if (!option.limits.empty()) text += option.limits + "; ";
  if (!option.default_text.empty()) text += "default " + option.default_text + "; ";
  return text + "env " + option.environment + "]";
}

}  // namespace

void add_config_flags(CLI::App& app, std::map<std::string, std::string>& flags, const std::vector<std::string>& keys) {
  std::size_t added = 0;
  for (const Option& option : options()) {
    if (!keys.empty() && std::find(keys.begin(), keys.end(), option.key) == keys.end()) continue;
    const auto store = [&flags, key = option.key](const std::string& value) { flags[key] = value; };
    app.add_option_function<std::string>(option.flag(), store, description(option))->type_name(option.type);
    ++added;
  }
  if (!keys.empty() && added != keys.size())
    throw std::invalid_argument("add_config_flags: an unknown or repeated key");
}

}  // namespace llorch::config
