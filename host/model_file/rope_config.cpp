#include "model_file/rope_config.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <boost/json/value.hpp>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/text.hpp"
#include "model_file/architecture.hpp"
#include "model_file/config_reader.hpp"

namespace llorch::model_file {
namespace {

namespace json = boost::json;

constexpr double kUsualBase = 10000.0;
constexpr std::string_view kOriginal = "original_max_position_embeddings";

/// Keys that say how positions are scaled, and for nothing else.
constexpr std::array<std::string_view, 10> kScalingKeys = {
    "factor",    "short_factor", "long_factor", "low_freq_factor", "high_freq_factor",
    "beta_fast", "beta_slow",    "mscale",      "mscale_all_dim",  "attention_factor"};

/// A number above 0 in which 0 says as little as an absent key, as in transformers.
Result<double> positive_unless_zero(const ConfigReader& config, std::string_view key, double otherwise) {
  const auto value = config.f64_or(key, 0.0);
  if (!value) return value.error();
  return *value == 0.0 ? Result<double>(otherwise) : config.positive(key);
}

/// The kind of scaling: "default" where nothing is said of it. What is said by half or in two ways is refused, because
/// such a model would run with positions that it was not made for.
Result<std::string_view> read_type(const ConfigReader& scaling) {
  constexpr std::string_view kNewer = "rope_type";
  constexpr std::string_view kOlder = "type";
  const bool stated = scaling.has(kNewer) || scaling.has(kOlder);
  const auto type = scaling.string_or(scaling.has(kNewer) ? kNewer : kOlder, "default");
  if (!type) return type.error();
  if (scaling.has(kNewer) && scaling.has(kOlder)) {
    const auto older = scaling.string(kOlder);
    if (!older) return older.error();
    if (*older != *type) return scaling.unexpected(kOlder, fmt::format("{}, as rope_type says", quote(*type)));
  }
  if (*type != "default") return *type;
  for (const std::string_view key : kScalingKeys) {
    if (!scaling.has(key)) continue;
    if (key == "factor") {
      const auto factor = scaling.f64_or(key, 1.0);
      if (!factor) return factor.error();
      if (*factor == 1.0) continue;
    }
    return stated ? scaling.unexpected(key, "nothing beside the type \"default\", which scales nothing")
                  : scaling.unexpected(kNewer, fmt::format("linear, llama3 or yarn beside '{}'", key));
  }
  return *type;
}

/// Llama 3.1: long waves are stretched by `factor`, short ones stay, those between change over.
Result<std::vector<float>> llama3_factors(const ConfigReader& scaling, double base, const RopeConfig& rope) {
  const auto factor = scaling.positive("factor");
  if (!factor) return factor.error();
  const auto low = scaling.positive_or("low_freq_factor", 1.0);
  if (!low) return low.error();
  const auto high = scaling.positive_or("high_freq_factor", 4.0);
  if (!high) return high.error();
  const auto original = scaling.positive_or(kOriginal, static_cast<double>(rope.context));
  if (!original) return original.error();
  if (*high <= *low) {
    return scaling.bad("high_freq_factor", fmt::format("expected more than low_freq_factor {}, found {}", *low, *high));
  }
  std::vector<float> factors;
  for (std::uint64_t i = 0; i < rope.rotated; i += 2) {
    const double frequency = std::pow(base, -static_cast<double>(i) / static_cast<double>(rope.rotated));
    const double waves = *original * frequency / (2.0 * std::numbers::pi);  // in the original context
    if (waves < *low) {
      factors.push_back(static_cast<float>(*factor));
    } else if (waves > *high) {
      factors.push_back(1.0F);
    } else {
      const double smooth = (waves - *low) / (*high - *low);
      factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / *factor + smooth)));
    }
  }
  return factors;
}

/// The scale of the rotated vectors beyond what YaRN's formula 1 + 0.1 ln(factor) gives.
Result<double> yarn_attention_factor(const ConfigReader& scaling, double factor) {
  const auto magnitude = [](double scale, double weight) {
    return scale <= 1.0 ? 1.0 : 1.0 + 0.1 * weight * std::log(scale);
  };
  if (scaling.has("attention_factor")) {
    const auto wanted = scaling.positive("attention_factor");
    if (!wanted) return wanted.error();
    return *wanted / magnitude(factor, 1.0);
  }
  const auto some = positive_unless_zero(scaling, "mscale", 0.0);
  if (!some) return some.error();
  const auto all = positive_unless_zero(scaling, "mscale_all_dim", 0.0);
  if (!all) return all.error();
  if (*some == 0.0 || *all == 0.0) return 1.0;
  return magnitude(factor, *some) / magnitude(factor, *all) / magnitude(factor, 1.0);
}

Result<void> convert_yarn(const ConfigReader& scaling, const RopeConfig& rope, Metadata& metadata) {
  const auto factor = scaling.positive("factor");
  if (!factor) return factor.error();
  const auto original = scaling.has(kOriginal) ? scaling.size(kOriginal, kMostOfASize) : rope.context;
  if (!original) return original.error();
  const auto fast = positive_unless_zero(scaling, "beta_fast", 32.0);
  if (!fast) return fast.error();
  const auto slow = positive_unless_zero(scaling, "beta_slow", 1.0);
  if (!slow) return slow.error();
  const auto truncate = scaling.bool_or("truncate", true);
  if (!truncate) return truncate.error();
  if (!*truncate) return scaling.unsupported("truncate", "only true is supported in yarn scaling, found false");
  // Of the code that YaRN's authors published; transformers does not know them.
  for (const std::string_view known : {"extrapolation_factor", "attn_factor"}) {
    const auto value = scaling.f64_or(known, 1.0);
    if (!value) return value.error();
    if (*value != 1.0) return scaling.unsupported(known, fmt::format("only 1 is supported, found {}", *value));
  }
  const auto attention = yarn_attention_factor(scaling, *factor);
  if (!attention) return attention.error();
  const auto key = [&](std::string_view name) { return fmt::format("{}.rope.scaling.{}", rope.architecture, name); };
  metadata.insert(key("type"), std::string_view("yarn"));
  metadata.insert(key("factor"), *factor);
  metadata.insert(key("original_context_length"), *original);
  metadata.insert(key("yarn_beta_fast"), *fast);
  metadata.insert(key("yarn_beta_slow"), *slow);
  metadata.insert(key("attn_factor"), *attention);
  return {};
}

/// The object under `key`, if there is one with anything in it.
Result<const json::object*> object_at(const json::object& config, const ConfigReader& reader, std::string_view key) {
  const json::value* value = config.if_contains(key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (!value->is_object()) return reader.unexpected(key, "an object");
  return value->get_object().empty() ? nullptr : &value->get_object();
}

}  // namespace

Result<std::vector<float>> convert_rope(const json::object& config, const std::string& origin, const RopeConfig& rope,
                                        Metadata& metadata) {
  const ConfigReader reader(config, origin);
  const json::object none;
  auto newer = object_at(config, reader, "rope_parameters");
  if (!newer) return newer.error();
  auto older = object_at(config, reader, "rope_scaling");
  if (!older) return older.error();
  if (*newer != nullptr && *older != nullptr && **newer != **older) {
    return reader.unsupported("rope_scaling", "says something else than 'rope_parameters': keep one of them");
  }
  const ConfigReader scaling(*newer != nullptr   ? **newer
                             : *older != nullptr ? **older
                                                 : none,
                             origin, *newer != nullptr ? "rope_parameters" : "rope_scaling");

  const auto base =
      scaling.has("rope_theta") ? scaling.positive("rope_theta") : reader.positive_or("rope_theta", kUsualBase);
  if (!base) return base.error();
  const ConfigReader& partial = scaling.has("partial_rotary_factor") ? scaling : reader;
  const auto part = partial.f64_or("partial_rotary_factor", 1.0);
  if (!part) return part.error();
  if (*part != 1.0)
    return partial.unsupported("partial_rotary_factor", fmt::format("only 1 is supported, found {}", *part));
  metadata.insert(fmt::format("{}.rope.dimension_count", rope.architecture), rope.rotated);
  metadata.insert(fmt::format("{}.rope.freq_base", rope.architecture), *base);

  const auto type = read_type(scaling);
  if (!type) return type.error();
  if (*type == "default") return std::vector<float>();
  if (*type == "linear") {
    const auto factor = scaling.positive("factor");
    if (!factor) return factor.error();
    metadata.insert(fmt::format("{}.rope.scaling.type", rope.architecture), std::string_view("linear"));
    metadata.insert(fmt::format("{}.rope.scaling.factor", rope.architecture), *factor);
    return std::vector<float>();
  }
  if (*type == "llama3") return llama3_factors(scaling, *base, rope);
  if (*type == "yarn") {
    if (auto converted = convert_yarn(scaling, rope, metadata); !converted) return converted.error();
    return std::vector<float>();
  }
  return scaling.unsupported(scaling.has("rope_type") ? "rope_type" : "type",
                             fmt::format("expected default, linear, llama3 or yarn, found {}", quote(*type)));
}

}  // namespace llorch::model_file
