// What the generating routes of OpenAI have in common: how to sample, how long, how to answer.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.hpp"
#include "sampling/params.hpp"

namespace llorch::api {

inline constexpr std::uint64_t kMaxAlternatives = 20;  ///< log-probabilities reported a token

struct GenerationOptions {
  std::string model;             ///< any name is accepted; the answer carries the name of the model that runs
  std::uint32_t max_tokens = 0;  ///< set the route's default before read_generation()
  std::uint32_t n = 1;           ///< choices a prompt; choice j samples with seed + j
  bool stream = false;
  bool include_usage = false;
  std::optional<std::uint32_t> logprobs;  ///< set: report logprobs with that many alternatives a token
  sampling::Params sampling;              ///< its seed is set only if has_seed
  bool has_seed = false;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

/// The body as a JSON object, or a fault.
[[nodiscard]] std::optional<boost::json::value> parse_body(std::string_view body, std::vector<Fault>& faults);

/// Reads all but `logprobs`, which the routes spell differently. Fields that are known but have no effect here are
/// faults unless their value is neutral. `fewest_tokens` is the least that max_tokens may ask for.
void read_generation(Fields& fields, std::uint32_t vocab_size, std::uint32_t fewest_tokens, GenerationOptions& options);

/// Fields of another route, with what this one has instead: dropped silently, they would seem to have worked. The text
/// in them is not repeated.
struct OtherField {
  std::string_view name, instead;
};
void refuse_fields_of(std::string_view other_route, std::span<const OtherField> there, Fields& fields);

/// `add_special_tokens` of other servers: a fault unless it asks for what this route does anyway.
void read_add_special_tokens(Fields& fields, bool what_happens);

/// null, false, 0, "", [] and {} ask for nothing.
[[nodiscard]] bool is_neutral(const boost::json::value& value);

}  // namespace llorch::api
