#include "tools/kv_type.hpp"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>
#include <vector>

namespace llorch::tools {
namespace {

std::uint32_t dtype_named(const std::string& name) {
  if (name == "f32") return LLORCH_DTYPE_F32;
  if (name == "f16") return LLORCH_DTYPE_F16;
  return name == "q8_0" ? LLORCH_DTYPE_Q8_0 : LLORCH_DTYPE_DEFAULT;
}

/// "a, b, c" as the table of options writes its choices.
std::vector<std::string> choices_of(const config::Option& option) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < option.limits.size();) {
    const std::size_t end = std::min(option.limits.find(", ", begin), option.limits.size());
    out.push_back(option.limits.substr(begin, end - begin));
    begin = end + 2;
  }
  return out;
}

const std::string& chosen(const std::string& side, const std::string& both) {
  return side == "same" ? both : side;
}

}  // namespace

KvTypeNames kv_type_names(const config::Config& config) {
  return {config.kv_type, config.kv_type_k, config.kv_type_v};
}

void KvTypes::put_into(plugin::ContextParams& params) const {
  params.kv_dtype_k = k;
  params.kv_dtype_v = v;
}

KvTypes kv_types(const KvTypeNames& names) {
  return {dtype_named(chosen(names.keys, names.both)), dtype_named(chosen(names.values, names.both))};
}

std::string to_string(const KvTypeNames& names) {
  const std::string& keys = chosen(names.keys, names.both);
  const std::string& values = chosen(names.values, names.both);
  return keys == values ? keys : fmt::format("keys {}, values {}", keys, values);
}

Error explain_refusal(Error error, const KvTypeNames& names) {
  const KvTypes types = kv_types(names);
  if (error.code != ErrorCode::kUnsupported || (types.k == 0 && types.v == 0)) return error;
  error.message += fmt::format(" (asked for: --kv-type {})", to_string(names));
  return error;
}

void add_kv_type_flags(CLI::App& app, KvTypeNames& names) {
  const std::pair<const char*, std::string*> rows[] = {
      {"kv_type", &names.both}, {"kv_type_k", &names.keys}, {"kv_type_v", &names.values}};
  for (const auto& [key, name] : rows) {
    for (const config::Option& option : config::options()) {
      if (option.key != key) continue;
      app.add_option(option.flag(), *name, option.help)
          ->check(CLI::IsMember(choices_of(option)))
          ->capture_default_str();
    }
  }
}

}  // namespace llorch::tools
