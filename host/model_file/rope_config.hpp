// Rotary position settings of a Hugging Face configuration under their GGUF keys.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model_file/metadata.hpp"

namespace llorch::model_file {

/// What the settings are made of and where they go.
struct RopeConfig {
  std::string_view architecture;  ///< keys become "<architecture>.rope..."
  std::uint64_t rotated = 0;      ///< components of a head that are rotated
  std::uint64_t context = 0;      ///< max_position_embeddings
};

/// Inserts rope.dimension_count, rope.freq_base and rope.scaling.* from `rope_theta` and `rope_scaling`, or from
/// `rope_parameters`, their newer common form. Returns what each rotary frequency is to be divided by, the content of
/// `rope_freqs.weight` ("llama3" scaling), or nothing. `original_max_position_embeddings` may stand in the object or
/// beside it. kUnsupported: a kind of scaling that no plugin knows. kBadModel: scaling that is said by half or in two
/// ways, settings that its type does not use, settings by kind of layer.
[[nodiscard]] Result<std::vector<float>> convert_rope(const boost::json::object& config, const std::string& origin,
                                                      const RopeConfig& rope, Metadata& metadata);

}  // namespace llorch::model_file
