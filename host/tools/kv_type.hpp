// The types of the KV cache as options name them, and as the ABI numbers them.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "plugin/plugin.hpp"

namespace llorch::tools {

/// Names as the options of the configuration take them; the defaults are the same.
struct KvTypeNames {
  std::string both = "default", keys = "same", values = "same";
};
[[nodiscard]] KvTypeNames kv_type_names(const config::Config& config);

/// LLORCH_DTYPE_*; 0 leaves the choice to the plugin.
struct KvTypes {
  std::uint32_t k = 0, v = 0;
  void put_into(plugin::ContextParams& params) const;
};
/// Names that the options do not have count as "default".
[[nodiscard]] KvTypes kv_types(const KvTypeNames& names);

/// "f16", or "keys f16, values q8_0" where they differ; "default" is what the plugin takes on its own.
[[nodiscard]] std::string to_string(const KvTypeNames& names);

/// What the plugin said, with the option that asked for what it lacks.
[[nodiscard]] Error explain_refusal(Error error, const KvTypeNames& names);

/// --kv-type, --kv-type-k and --kv-type-v, as the table of options describes them, for the subcommands that read
/// neither environment nor file.
void add_kv_type_flags(CLI::App& app, KvTypeNames& names);

}  // namespace llorch::tools
