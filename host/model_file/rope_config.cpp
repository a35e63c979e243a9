#include "model_file/rope_config.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/text.hpp"
#include "model_file/architecture.hpp"
#include "model_file/config_reader.hpp"

namespace llorch::model_file {
namespace {

namespace json = boost::json;

constexpr double kUsualBase = 10000.0;
constexpr std::string_view kNewer = "rope_type";
constexpr std::string_view kOlder = "type";
constexpr std::string_view kOriginal = "original_max_position_embeddings";

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();  // equals nothing

/// A key that says how positions are scaled.
struct Setting {
  std::string_view key;
  std::array<std::string_view, 3> users;  ///< the types that read it
  std::array<double, 2> neutral;          ///< beside another type these change nothing
  bool neutral_true = false;              ///< true does neither
};

/// The original context is not among them: where it scales nothing it is a remark about the model's making.
constexpr std::array kSettings = {
    Setting{"factor", {"linear", "llama3", "yarn"}, {1.0, kNoNumber}},
    Setting{"low_freq_factor", {"llama3"}, {kNoNumber, kNoNumber}},
    Setting{"high_freq_factor", {"llama3"}, {kNoNumber, kNoNumber}},
    Setting{"beta_fast", {"yarn"}, {0.0, 32.0}},
    Setting{"beta_slow", {"yarn"}, {0.0, 1.0}},
    Setting{"mscale", {"yarn"}, {0.0, 1.0}},
    Setting{"mscale_all_dim", {"yarn"}, {0.0, kNoNumber}},
    Setting{"attention_factor", {"yarn"}, {1.0, kNoNumber}},
    Setting{"attn_factor", {"yarn"}, {1.0, kNoNumber}},
    Setting{"extrapolation_factor", {"yarn"}, {1.0, kNoNumber}},
    Setting{"truncate", {"yarn"}, {kNoNumber, kNoNumber}, true},
    Setting{"short_factor", {}, {kNoNumber, kNoNumber}},
    Setting{"long_factor", {}, {kNoNumber, kNoNumber}},
    Setting{"mrope_section", {}, {kNoNumber, kNoNumber}},
};

bool is_neutral(const ConfigReader& scaling, const Setting& setting) {
  const auto number = scaling.f64_or(setting.key, kNoNumber);
  if (number) return std::ranges::find(setting.neutral, *number) != setting.neutral.end();
  const auto flag = scaling.bool_or(setting.key, false);
  return setting.neutral_true && flag && *flag;
}

/// A number above 0 in which 0 says as little as an absent key, as in transformers.
Result<double> positive_unless_zero(const ConfigReader& config, std::string_view key, double otherwise) {
  const auto value = config.f64_or(key, 0.0);
  if (!value) return value.error();
  return *value == 0.0 ? Result<double>(otherwise) : config.positive(key);
}

/// Refuses settings that the type does not use, because such a model would run with positions that it was not made for.
Result<void> check_settings(const ConfigReader& scaling, std::string_view type) {
  const bool stated = scaling.has(kNewer) || scaling.has(kOlder);
  for (const Setting& setting : kSettings) {
    if (!scaling.has(setting.key) || std::ranges::find(setting.users, type) != setting.users.end()) continue;
    if (is_neutral(scaling, setting)) continue;
    if (!stated) return scaling.unexpected(kNewer, fmt::format("linear, llama3 or yarn beside '{}'", setting.key));
    return scaling.unexpected(setting.key,
                              fmt::format("nothing beside the type {}, which does not use it", quote(type)));
  }
  return {};
}

/// The kind of scaling: "default" where nothing is said of it. What is said by half or in two ways is refused.
Result<std::string_view> read_type(const ConfigReader& scaling) {
  const std::string_view key = scaling.has(kNewer) ? kNewer : kOlder;
  const auto type = scaling.string_or(key, "default");
  if (!type) return type.error();
  if (scaling.has(kNewer) && scaling.has(kOlder)) {
    const auto older = scaling.string(kOlder);
    if (!older) return older.error();
    if (*older != *type) return scaling.unexpected(kOlder, fmt::format("{}, as rope_type says", quote(*type)));
  }
  constexpr std::array<std::string_view, 4> kTypes = {"default", "linear", "llama3", "yarn"};
  if (std::ranges::find(kTypes, *type) == kTypes.end())
    return scaling.unsupported(key, fmt::format("expected default, linear, llama3 or yarn, found {}", quote(*type)));
  if (auto settings = check_settings(scaling, *type); !settings) return settings.error();
  return *type;
}

/// What stands in the object of scaling and beside it, must be the same.
Result<void> check_said_once(const ConfigReader& reader, const ConfigReader& scaling, std::string_view key) {
  if (!reader.has(key) || !scaling.has(key)) return {};
  const auto beside = reader.positive(key);
  if (!beside) return beside.error();
  const auto within = scaling.positive(key);
  if (!within) return within.error();
  if (*beside != *within) return scaling.unexpected(key, fmt::format("{}, as '{}' says", *beside, key));
  return {};
}

/// Where the context of the model that was stretched is said: beside the scaling, as some families have it, or in it.
Result<const ConfigReader*> original_context_at(const ConfigReader& reader, const ConfigReader& scaling) {
  if (auto once = check_said_once(reader, scaling, kOriginal); !once) return once.error();
  return reader.has(kOriginal) ? &reader : &scaling;
}

/// Llama 3.1: long waves are stretched by `factor`, short ones stay, those between change over.
Result<std::vector<float>> llama3_factors(const ConfigReader& reader, const ConfigReader& scaling, double base,
                                          const RopeConfig& rope) {
  const auto factor = scaling.positive("factor");
  if (!factor) return factor.error();
  const auto low = scaling.positive_or("low_freq_factor", 1.0);
  if (!low) return low.error();
  const auto high = scaling.positive_or("high_freq_factor", 4.0);
  if (!high) return high.error();
  const auto place = original_context_at(reader, scaling);
  if (!place) return place.error();
  const auto original = (*place)->positive_or(kOriginal, static_cast<double>(rope.context));
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

Result<void> convert_yarn(const ConfigReader& reader, const ConfigReader& scaling, const RopeConfig& rope,
                          Metadata& metadata) {
  const auto factor = scaling.positive("factor");
  if (!factor) return factor.error();
  const auto place = original_context_at(reader, scaling);
  if (!place) return place.error();
  const auto original = (*place)->has(kOriginal) ? (*place)->size(kOriginal, kMostOfASize) : rope.context;
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

/// Some families have settings for each kind of layer, under its name.
Result<void> check_for_all_layers(const json::object& object, const ConfigReader& scaling) {
  for (const auto& member : object) {
    if (member.value().is_object()) return scaling.unexpected(member.key(), "a setting of all layers");
  }
  return {};
}

Result<double> read_base(const ConfigReader& reader, const ConfigReader& scaling) {
  constexpr std::string_view kBase = "rope_theta";
  if (auto once = check_said_once(reader, scaling, kBase); !once) return once.error();
  return scaling.has(kBase) ? scaling.positive(kBase) : reader.positive_or(kBase, kUsualBase);
}

Result<void> check_whole_head_turns(const ConfigReader& config) {
  constexpr std::string_view kPart = "partial_rotary_factor";
  const auto part = config.f64_or(kPart, 1.0);
  if (!part) return part.error();
  if (*part != 1.0) return config.unsupported(kPart, fmt::format("only 1 is supported, found {}", *part));
  return {};
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
  const json::object& object = *newer != nullptr ? **newer : *older != nullptr ? **older : none;
  const ConfigReader scaling(object, origin, *newer != nullptr ? "rope_parameters" : "rope_scaling");
  if (auto flat = check_for_all_layers(object, scaling); !flat) return flat.error();
  const auto type = read_type(scaling);
  if (!type) return type.error();
  const auto base = read_base(reader, scaling);
  if (!base) return base.error();
  for (const ConfigReader* place : {&scaling, &reader}) {
    if (auto whole = check_whole_head_turns(*place); !whole) return whole.error();
  }
  metadata.insert(fmt::format("{}.rope.dimension_count", rope.architecture), rope.rotated);
  metadata.insert(fmt::format("{}.rope.freq_base", rope.architecture), *base);
  if (*type == "llama3") return llama3_factors(reader, scaling, *base, rope);
  if (*type == "linear") {
    const auto factor = scaling.positive("factor");
    if (!factor) return factor.error();
    metadata.insert(fmt::format("{}.rope.scaling.type", rope.architecture), std::string_view("linear"));
    metadata.insert(fmt::format("{}.rope.scaling.factor", rope.architecture), *factor);
  }
  if (*type == "yarn") {
    if (auto converted = convert_yarn(reader, scaling, rope, metadata); !converted) return converted.error();
  }
  return std::vector<float>();
}

}  // namespace llorch::model_file
